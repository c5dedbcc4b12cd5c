//! Tells other processes of ready tasks and receives what they tell: NOTIFY and LISTEN, each on a
//! connection of its own. Notifications are hints, so a failure is retried later and never reported.
//! The connection that listens also makes this process known to the others (share.rs).
use crate::connector::{CONNECT_MAX, Connector};
use crate::database::connect;
use crate::share;
use crate::text::{text, value};
use baton_store::StoreError;
use futures::{StreamExt, stream};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client};

/// At most one notification in this time: each takes a lock that is global to the server.
const PAUSE: Duration = Duration::from_millis(10);

/// The first and the longest wait after a failed connection.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// Time between two checks that the listening connection is alive.
const BETWEEN_CHECKS: Duration = Duration::from_secs(5);

/// PostgreSQL refuses payloads of 8000 bytes and more.
const PAYLOAD_BYTES_MAX: usize = 7_900;

/// Queue names that wait to be sent; more are dropped.
const WAITING_MAX: usize = 10_000;

/// Notifications that a slow listener may be behind; older ones are dropped.
const RECEIVED_MAX: usize = 1_024;

/// Separates the names in a payload. A name that contains it matches no queue when it arrives.
const SEPARATOR: char = '\n';

/// The notifier of one store. It stops when dropped.
pub(crate) struct Notifier {
    /// This process, as the others see it.
    pub(crate) number: i32,
    received: broadcast::Sender<Arc<[String]>>,
    waiting: Arc<Waiting>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Waiting {
    queues: Mutex<BTreeSet<String>>,
    more: Notify,
}

impl Waiting {
    fn queues(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Notifier {
    /// Listens from now on; the connection that sends is opened when it is needed.
    pub(crate) async fn start(connector: Connector) -> Result<Self, StoreError> {
        let (received, _) = broadcast::channel(RECEIVED_MAX);
        // Marks our own notifications, which nobody here needs to receive.
        let random = RandomState::new().hash_one(std::process::id());
        let (token, number) = (format!("{random:016x}"), share::number_of(random));
        let listener =
            Listener { connector: connector.clone(), token: token.clone(), number, received };
        let received = listener.received.clone();
        let first = connect(|| listener.connect()).await?;
        let waiting = Arc::new(Waiting::default());
        let tasks = [
            tokio::spawn(listener.run(first)),
            tokio::spawn(notify_waiting(connector, token, Arc::clone(&waiting))),
        ];
        Ok(Self { number, received, waiting, tasks })
    }

    pub(crate) fn notify(&self, queues: &[String]) {
        let mut waiting = self.waiting.queues();
        for queue in queues {
            if waiting.len() < WAITING_MAX && queue.len() < PAYLOAD_BYTES_MAX / 2 {
                waiting.insert(text(queue).into_owned());
            }
        }
        drop(waiting);
        self.waiting.more.notify_one();
    }

    pub(crate) fn notifications(&self) -> broadcast::Receiver<Arc<[String]>> {
        self.received.subscribe()
    }
}

struct Listener {
    connector: Connector,
    token: String,
    number: i32,
    received: broadcast::Sender<Arc<[String]>>,
}

impl Listener {
    async fn run(self, first: (Client, JoinHandle<()>)) {
        let (mut client, mut receiver) = first;
        loop {
            tokio::select! {
                _ = &mut receiver => {}
                () = until_silent(&client) => receiver.abort(),
            }
            drop(client);
            (client, receiver) = self.reconnect().await;
        }
    }

    async fn reconnect(&self) -> (Client, JoinHandle<()>) {
        let mut back_off = BACK_OFF_MIN;
        loop {
            sleep(back_off).await;
            match timeout(CONNECT_MAX, self.connect()).await {
                Ok(Ok(connected)) => return connected,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "notifications of other processes are not received");
                }
                Err(_) => tracing::debug!(
                    "notifications of other processes are not received: no connection"
                ),
            }
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    /// A client, and the task that receives until its connection ends.
    async fn connect(&self) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (client, mut connection) = self.connector.open().await?;
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        let (received, token) = (self.received.clone(), self.token.clone());
        let receiver = tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notification(notify) = message
                    && let Some(queues) = queues_of(notify.payload(), &token)
                {
                    // It is fine if nobody listens.
                    let _ = received.send(queues);
                }
            }
        });
        client.batch_execute(include_str!("sql/listen.sql")).await?;
        client.execute(include_str!("sql/be_known.sql"), &[&self.number]).await?;
        Ok((client, receiver))
    }
}

/// Waits until the connection stops answering, which is the only sign that it is dead.
async fn until_silent(client: &Client) {
    loop {
        sleep(BETWEEN_CHECKS).await;
        if !matches!(timeout(CONNECT_MAX, client.simple_query("")).await, Ok(Ok(_))) {
            return;
        }
    }
}

async fn notify_waiting(connector: Connector, token: String, waiting: Arc<Waiting>) {
    let mut client: Option<Client> = None;
    loop {
        waiting.more.notified().await;
        let queues = std::mem::take(&mut *waiting.queues());
        for payload in payloads(&token, queues) {
            let notified =
                timeout(CONNECT_MAX, notify_once(&connector, &mut client, &payload)).await;
            if !matches!(notified, Ok(Ok(()))) {
                client = None;
                sleep(BACK_OFF_MIN).await;
            }
        }
        sleep(PAUSE).await;
    }
}

async fn notify_once(
    connector: &Connector,
    client: &mut Option<Client>,
    payload: &str,
) -> Result<(), tokio_postgres::Error> {
    let client = if let Some(client) = client {
        client
    } else {
        let (fresh, _) = connector.open_driven().await?;
        client.insert(fresh)
    };
    client.execute(include_str!("sql/notify.sql"), &[&payload]).await.map(drop)
}

/// The names in as few payloads as hold them, each after our token.
fn payloads(token: &str, queues: BTreeSet<String>) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    for queue in queues {
        match payloads.last_mut() {
            Some(last) if last.len() + queue.len() < PAYLOAD_BYTES_MAX => {
                last.push(SEPARATOR);
                last.push_str(&queue);
            }
            _ => payloads.push(format!("{token}{SEPARATOR}{queue}")),
        }
    }
    payloads
}

/// The names in somebody else's payload.
fn queues_of(payload: &str, own_token: &str) -> Option<Arc<[String]>> {
    let (token, queues) = payload.split_once(SEPARATOR)?;
    (token != own_token)
        .then(|| queues.split(SEPARATOR).map(|queue| value(queue.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many names wait, each arrives, in payloads that PostgreSQL takes.
    #[test]
    fn many_names_are_cut_into_payloads() {
        let names: BTreeSet<String> = (0..3000).map(|n| format!("queue_{n}")).collect();
        let payloads = payloads("ours", names.clone());
        assert!(payloads.len() > 1 && payloads.iter().all(|payload| payload.len() < 8000));
        let received = payloads.iter().filter_map(|payload| queues_of(payload, "theirs"));
        let received: BTreeSet<String> = received.flat_map(|queues| queues.to_vec()).collect();
        assert_eq!(received, names);
        assert_eq!(queues_of(&payloads[0], "ours"), None);
    }
}
