//! Every route of the contract is there, and nothing else is.
use crate::common::{error_of, gateway, send, text_of};
use axum::body::Body;
use http::{Method, Request};
use std::collections::BTreeSet;

const PAGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/rest.md"));

/// The rows of the manual's tables of endpoints: endpoint and query.
fn rows() -> Vec<(&'static str, &'static str)> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (endpoint, rest) = row.split_once("` |").unwrap();
        (endpoint, rest.split('|').next().unwrap())
    })
    .collect()
}

/// A path that fits a route: a status where one must stand, any text elsewhere.
fn filled(endpoint: &str) -> String {
    let parts = endpoint.split('/').map(|part| match part {
        "{status}" => "COMPLETED",
        "{version}" => "1",
        name if name.starts_with('{') => "x",
        fixed => fixed,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The sources of the gateway, without their tests.
fn sources() -> String {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let sources = files.map(|path| std::fs::read_to_string(path).unwrap());
    sources.map(|source| source.split("#[cfg(test)]").next().unwrap().to_owned()).collect()
}

/// Goal: the manual has every endpoint and no other. Method: its rows are compared with the calls of
/// `route` in the sources, verb by verb.
#[test]
fn the_manual_has_every_endpoint() {
    let sources = sources();
    let mut routes = BTreeSet::new();
    for call in sources.split(".route(").skip(1) {
        let Some(rest) = call.trim_start().strip_prefix('"') else { continue };
        let (path, rest) = rest.split_once('"').unwrap();
        // The call ends before the next one, or with the function.
        let verbs = rest.split("\n}").next().unwrap();
        for verb in ["get", "post", "put", "delete"] {
            if verbs.contains(&format!(" {verb}(")) || verbs.contains(&format!(".{verb}(")) {
                routes.insert(format!("{} {path}", verb.to_uppercase()));
            }
        }
    }
    let told: BTreeSet<String> =
        rows().iter().map(|(endpoint, _)| (*endpoint).to_owned()).collect();
    assert_eq!(told.len(), rows().len(), "an endpoint stands in the manual twice");
    assert_eq!(told, routes);
}

/// Goal: the manual has every query parameter and no other. Method: the names in its query columns
/// are compared with those that the sources read.
#[test]
fn the_manual_has_every_query_parameter() {
    let sources = sources();
    let readers = ["flag", "number", "text", "list", "bounded", "required"];
    let mut read = BTreeSet::new();
    // Read under a name that is a variable.
    for name in ["startTime", "endTime", "executionNamespace", "isolationGroupId"] {
        assert!(sources.contains(&format!("\"{name}\"")), "{name} is read no more");
        read.insert(name);
    }
    for call in sources.split("params").skip(1) {
        let call = call.trim_start().strip_prefix('.').unwrap_or_default();
        let (reader, rest) = call.split_once('(').unwrap_or_default();
        let is_reader = readers.contains(&reader.split("::").next().unwrap_or_default());
        if let Some(rest) = rest.strip_prefix('"').filter(|_| is_reader) {
            read.insert(rest.split('"').next().unwrap());
        }
    }
    let words = rows().into_iter().flat_map(|(_, query)| query.split('`').skip(1).step_by(2));
    // Limits, values of an enumeration and names of other endpoints are no parameters.
    let told = words.filter(|word| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && *word != "execute"
            && !word.contains('-')
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), read);
}

fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

/// Goal: every endpoint of the manual is served. Method: there is no engine, so a handler that is
/// reached fails with "internal"; the fallbacks would answer 404 or 405.
#[tokio::test]
async fn every_route_of_the_contract_is_there() {
    let answers_itself = |route: &str| {
        ["/api/version", "/live", "/schema/workflow", "/schema/taskdef"]
            .iter()
            .any(|end| route.ends_with(end))
    };
    for (route, _) in rows().into_iter().filter(|(route, _)| !answers_itself(route)) {
        let route = &filled(route);
        let (method, path) = route.split_once(' ').unwrap();
        let error = error_of(send(&gateway(), request(method, path)).await).await;
        let expected = match path {
            "/api/workflow/test" => (501, Some("not_implemented")),
            _ => (500, Some("internal")),
        };
        assert_eq!((error.status, error.code.as_deref()), expected, "{route}");
    }
}

#[tokio::test]
async fn an_unmapped_path_is_404_with_the_error_body() {
    for (method, path) in [
        ("POST", "/api/token"),
        ("GET", "/api/token/userInfo"),
        ("GET", "/"),
        ("GET", "/api"),
        ("GET", "/api/tasks/"),
        ("GET", "/api/workflow/w/"),
        ("POST", "/api/workflow/correlated/batch/x"),
        ("GET", "/api/schema"),
        ("PUT", "/nowhere"),
    ] {
        let response = send(&gateway(), request(method, path)).await;
        let error = error_of(response).await;
        assert_eq!((error.status, error.code.as_deref()), (404, Some("unmapped_path")), "{path}");
        let message = format!("No static resource {}.", path.trim_start_matches('/'));
        assert_eq!(error.message, Some(message));
    }
}

#[tokio::test]
async fn a_wrong_verb_is_405_with_the_error_body() {
    for (method, path) in [
        ("POST", "/api/workflow/w/pause"),
        ("GET", "/api/tasks/update-v2"),
        ("POST", "/api/tasks/queue/sizes"),
        ("DELETE", "/api/version"),
    ] {
        let response = send(&gateway(), request(method, path)).await;
        assert!(response.headers().contains_key("allow"));
        let error = error_of(response).await;
        assert_eq!((error.status, error.code.as_deref()), (405, Some("method_not_allowed")));
        assert_eq!(error.message, Some(format!("Request method '{method}' is not supported")));
    }
}

#[tokio::test]
async fn the_version_is_bare_text() {
    let response =
        send(&gateway(), Request::get("/api/version").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/plain;charset=UTF-8");
    assert_eq!(text_of(response).await, "7.7.7");
}

/// A method that is unknown to HTTP at large is refused like any other.
#[tokio::test]
async fn an_invented_verb_is_405() {
    let mut request = request("GET", "/api/workflow");
    *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
    assert_eq!(error_of(send(&gateway(), request).await).await.status, 405);
}
