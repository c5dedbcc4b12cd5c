//! Moments as summaries print them: `2026-11-22T09:30:39.876Z`.
use crate::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

const DAY_MS: i64 = 86_400_000;

/// A moment that is written as ISO 8601 text in UTC with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IsoTimestamp(pub Timestamp);

/// Year, month and day of a day number counted from 1970-01-01.
///
/// **Source**: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day number of a date; the inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl fmt::Display for IsoTimestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.millis();
        let (year, month, day) = civil(millis.div_euclid(DAY_MS));
        let in_day = millis.rem_euclid(DAY_MS);
        let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
        )
    }
}

impl IsoTimestamp {
    /// Reads what [`fmt::Display`] writes; the fraction may be missing.
    fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let days = days(date.next()??, date.next()??, date.next()??);
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
        let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
        let milli: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let in_day = ((hour * 60 + minute) * 60 + second) * 1000 + milli;
        Some(Self(Timestamp::from_millis(days.checked_mul(DAY_MS)?.checked_add(in_day)?)))
    }
}

impl Serialize for IsoTimestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IsoTimestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = if text.len() <= 40 { Self::parse(&text) } else { None };
        moment.ok_or_else(|| de::Error::custom(format!("`{text}` is not a moment in UTC")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_conductor_prints_them_and_read_back() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_826_645_007, "2000-02-29T12:17:25.007Z"),
            (1_795_329_039_876, "2026-11-22T06:30:39.876Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            let moment = IsoTimestamp(Timestamp::from_millis(millis));
            assert_eq!(moment.to_string(), text);
            assert_eq!(IsoTimestamp::parse(text), Some(moment));
        }
    }

    #[test]
    fn text_that_is_no_moment_is_refused() {
        for text in ["", "\u{00e9}T1:2:3Z", "2026-11-22", "2026-11-22T1:2Z", "T::Z"] {
            assert_eq!(IsoTimestamp::parse(text), None, "{text}");
        }
    }
}
