//! Times as people read them.
use baton_common::Timestamp;
use baton_common::api::IsoTimestamp;

/// A moment to the second in UTC; nothing for "not yet".
pub(crate) fn moment(at: Timestamp) -> String {
    if at.millis() == 0 {
        return String::new();
    }
    let text = IsoTimestamp(at).to_string();
    // 2026-11-22T06:30:39.876Z
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// A span of milliseconds with two units at most: `350 ms`, `12.3 s`, `4 min 10 s`, `3 h 5 min`.
pub(crate) fn span(millis: i64) -> String {
    let seconds = millis / 1000;
    match millis {
        ..1000 => format!("{} ms", millis.max(0)),
        1000..60_000 => format!("{seconds}.{} s", millis % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(moment(Timestamp::from_millis(1_795_329_039_876)), "2026-11-22 06:30:39");
        assert_eq!(moment(Timestamp::from_millis(0)), "");
        for (millis, text) in [
            (-5, "0 ms"),
            (350, "350 ms"),
            (12_345, "12.3 s"),
            (250_000, "4 min 10 s"),
            (11_100_000, "3 h 5 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(millis), text);
        }
    }
}
