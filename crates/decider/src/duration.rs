//! The texts a WAIT step understands: how long (`1 day 2 h`), or until when (`2031-05-01 09:30`).
//!
//! Pure: an instant in UTC comes out, and whoever holds the clock compares.
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Why a text is neither a duration nor a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationFault {
    /// Nothing but blanks; a caller that waits for an outside call then asks before parsing.
    #[error("the text is empty")]
    Empty,
    /// Not of the form of a duration.
    #[error(
        "`{0}` is not a duration: days, hours, minutes and seconds are expected in this order, \
         for example `1 day 2 hours 30 min 5s`"
    )]
    Duration(String),
    /// Not of the form of a time.
    #[error("`{0}` is not a time: yyyy-MM-dd, yyyy-MM-dd HH:mm or yyyy-MM-dd HH:mm z is expected")]
    Until(String),
    /// A duration with a number beyond 32 bits.
    #[error("`{0}` is too long: each number of a duration is at most 2147483647")]
    TooLong(String),
    /// A time beyond the years that a calendar here has.
    #[error("`{0}` is too late: the last day is 9999-12-31")]
    TooLate(String),
    /// A zone that the tz database does not know and that is no offset.
    #[error("`{0}` is not a time zone")]
    Zone(String),
}

/// The units in the order in which they may stand, with their seconds.
const UNITS: [(&[&str], i64); 4] = [
    (&["d", "day", "days"], 86_400),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["s", "sec", "secs", "second", "seconds"], 1),
];

/// Abbreviations that name one offset, in minutes. The zones of that name that move with the
/// seasons do not: as in Java, `PST` is UTC−8 in summer too.
const ABBREVIATIONS: [(&str, i32); 26] = [
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("SAST", 120),
    ("IST", 330),
    ("SGT", 480),
    ("HKT", 480),
    ("JST", 540),
    ("KST", 540),
    ("AEST", 600),
    ("AEDT", 660),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
];

/// Reads a length of time, in seconds.
///
/// Each part may be left out, the order is fixed, case and blanks do not matter, and a number has at
/// most the range of 32 bits.
///
/// # Errors
/// [`DurationFault::Empty`], [`DurationFault::Duration`] and [`DurationFault::TooLong`].
///
/// **Source**: conductor-semantics §1.12.
pub fn parse_duration(text: &str) -> Result<i64, DurationFault> {
    let fault = || DurationFault::Duration(text.to_owned());
    let mut rest = text.trim_matches(is_blank);
    if rest.is_empty() {
        return Err(DurationFault::Empty);
    }
    let mut seconds = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(run(rest, |c| c.is_ascii_digit()));
        let after = after.trim_start_matches(is_blank);
        let (word, after) = after.split_at(run(after, |c| c.is_ascii_alphabetic()));
        let unit = units.find(|(words, _)| words.iter().any(|w| w.eq_ignore_ascii_case(word)));
        let unit = unit.filter(|_| !digits.is_empty()).ok_or_else(fault)?;
        let number: i32 = digits.parse().map_err(|_| DurationFault::TooLong(text.to_owned()))?;
        seconds += i64::from(number) * unit.1;
        rest = after.trim_start_matches(is_blank);
    }
    Ok(seconds)
}

/// Reads a moment, in epoch milliseconds; one without a zone is in UTC.
///
/// A zone is an offset (`+0530`, `+05:30`, `GMT+5:30`), a common abbreviation or a name of the tz
/// database. A day or minute beyond its range moves into the next month or hour, as in Java.
///
/// # Errors
/// [`DurationFault::Empty`], [`DurationFault::Until`], [`DurationFault::TooLate`] and
/// [`DurationFault::Zone`].
///
/// **Source**: conductor-semantics §1.12.
pub fn parse_until(text: &str) -> Result<i64, DurationFault> {
    let fault = || DurationFault::Until(text.to_owned());
    if text.chars().all(is_blank) {
        return Err(DurationFault::Empty);
    }
    let (date, rest) = text.split_once(' ').map_or((text, None), |(date, rest)| (date, Some(rest)));
    let (time, zone) = match rest.map(|rest| rest.split_once(' ')) {
        None => ("0:0", None),
        Some(None) => (rest.unwrap_or_default(), None),
        Some(Some((time, zone))) => (time, Some(zone)),
    };
    let [year, month, day] = numbers(date, '-').ok_or_else(fault)?;
    let [hour, minute] = numbers(time, ':').ok_or_else(fault)?;
    let too_late = || DurationFault::TooLate(text.to_owned());
    let local = civil(year, month, day, hour * 60 + minute).ok_or_else(too_late)?;
    let zone = zone.map_or(Ok(TimeZone::UTC), time_zone)?;
    Ok(moment(local, &zone))
}

/// Epoch milliseconds of a local time. The library's moments end a day before its calendar does, and
/// begin a day after it: there the zone keeps the offset that it has at their ends.
fn moment(local: DateTime, zone: &TimeZone) -> i64 {
    if let Ok(moment) = zone.to_timestamp(local) {
        return moment.as_millisecond();
    }
    let is_last = local.year() > 0;
    let end = if is_last { jiff::Timestamp::MAX } else { jiff::Timestamp::MIN };
    let offset = i64::from(zone.to_offset(end).seconds());
    let since_epoch = local.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    (since_epoch.as_secs() - offset) * 1000
}

/// What Java's expressions and `isBlank` count as blank.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
}

/// Bytes of the run of characters that `accept` takes, from the start.
fn run(text: &str, accept: fn(char) -> bool) -> usize {
    text.find(|c| !accept(c)).unwrap_or(text.len())
}

/// Exactly `N` unsigned numbers, parted by `separator`.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for place in &mut found {
        let part = parts.next()?;
        let is_number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        *place = i64::from(is_number.then(|| part.parse::<u16>().ok())??);
    }
    parts.next().is_none().then_some(found)
}

/// The local time, with months, days and minutes carried over where they are out of range.
fn civil(year: i64, month: i64, day: i64, minutes: i64) -> Option<DateTime> {
    let months = year * 12 + month - 1;
    let year = i16::try_from(months.div_euclid(12)).ok()?;
    let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
    let first = DateTime::new(year, month, 1, 0, 0, 0, 0).ok()?;
    let days = jiff::Span::new().try_days(day - 1).ok()?;
    first.checked_add(days.try_minutes(minutes).ok()?).ok()
}

fn time_zone(text: &str) -> Result<TimeZone, DurationFault> {
    let fault = || DurationFault::Zone(text.to_owned());
    let known = ABBREVIATIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    let minutes = known.map(|(_, minutes)| *minutes).or_else(|| offset_minutes(text));
    match minutes {
        Some(minutes) => {
            let offset = jiff::tz::Offset::from_seconds(minutes * 60).map_err(|_| fault())?;
            Ok(offset.to_time_zone())
        }
        None => jiff::tz::TimeZoneDatabase::bundled().get(text).map_err(|_| fault()),
    }
}

/// `+0530`, `+05:30`, `GMT+5:30` or `UTC-3` in minutes.
fn offset_minutes(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    let named = upper.strip_prefix("GMT").or_else(|| upper.strip_prefix("UTC"));
    let text = named.unwrap_or(&upper);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.strip_prefix(['+', '-'])?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None if named.is_some() => (digits, "0"),
        None => return None,
    };
    let [hours, minutes] = [numbers::<1>(hours, ':')?[0], numbers::<1>(minutes, ':')?[0]];
    let in_range = hours < 24 && minutes < 60;
    in_range.then(|| i32::try_from(hours * 60 + minutes).ok().map(|total| sign * total))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_every_unit_in_the_fixed_order() {
        for (text, seconds) in [
            ("1s", 1),
            ("0s", 0),
            ("1 hour", 3_600),
            ("2 days 3 hrs 4 mins 5 secs", 2 * 86_400 + 3 * 3_600 + 4 * 60 + 5),
            ("1d2h3m4s", 86_400 + 7_200 + 180 + 4),
            ("  10  MINUTES  ", 600),
            ("1 Day 1 Second", 86_401),
            ("90 sec", 90),
            ("1hr", 3_600),
            ("2147483647 s", 2_147_483_647),
            ("2147483647 days", 2_147_483_647 * 86_400),
        ] {
            assert_eq!(parse_duration(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn texts_of_another_form_are_no_durations() {
        for text in [
            "soon", "1", "s", "1.5 h", "-1 s", "1 s 1 m", "1 d 1 d", "1 week", "1 hourss", "PT1S",
            "1 h, 2 m", "1ms", "٣ s",
        ] {
            assert_eq!(parse_duration(text), Err(DurationFault::Duration(text.into())), "{text}");
        }
        assert_eq!(parse_duration(" \t"), Err(DurationFault::Empty));
        for text in ["2147483648 s", "1 d 99999999999999999999 h"] {
            assert_eq!(parse_duration(text), Err(DurationFault::TooLong(text.into())), "{text}");
        }
    }

    #[test]
    fn moments_are_read_with_and_without_a_zone() {
        for (text, moment) in [
            ("1970-01-01", "1970-01-01T00:00:00Z"),
            ("2020-01-01 00:00", "2020-01-01T00:00:00Z"),
            ("2031-05-01 09:30", "2031-05-01T09:30:00Z"),
            ("2031-05-01 09:30 UTC", "2031-05-01T09:30:00Z"),
            ("2031-05-01 09:30 GMT", "2031-05-01T09:30:00Z"),
            ("2031-07-01 09:30 PST", "2031-07-01T17:30:00Z"),
            ("2031-07-01 09:30 pdt", "2031-07-01T16:30:00Z"),
            ("2031-07-01 09:30 America/Los_Angeles", "2031-07-01T16:30:00Z"),
            ("2031-01-01 09:30 Europe/Berlin", "2031-01-01T08:30:00Z"),
            ("2031-01-01 09:30 +0530", "2031-01-01T04:00:00Z"),
            ("2031-01-01 09:30 -03:30", "2031-01-01T13:00:00Z"),
            ("2031-01-01 09:30 GMT+5:30", "2031-01-01T04:00:00Z"),
            ("2031-1-2 3:4", "2031-01-02T03:04:00Z"),
            ("2031-02-30", "2031-03-02T00:00:00Z"),
            ("2031-13-01 24:60", "2032-01-02T01:00:00Z"),
        ] {
            let expected: jiff::Timestamp = moment.parse().unwrap();
            assert_eq!(parse_until(text), Ok(expected.as_millisecond()), "{text}");
        }
    }

    #[test]
    fn the_calendars_last_days_are_moments_in_every_zone() {
        const LAST_MIDNIGHT: i64 = 253_402_214_400_000;
        const HOUR: i64 = 3_600_000;
        for (text, moment) in [
            ("9999-12-30", LAST_MIDNIGHT - 24 * HOUR),
            ("9999-12-31", LAST_MIDNIGHT),
            ("9999-12-31 23:59", LAST_MIDNIGHT + 24 * HOUR - 60_000),
            ("9999-12-31 00:00 -1200", LAST_MIDNIGHT + 12 * HOUR),
            ("9999-12-31 00:00 +1400", LAST_MIDNIGHT - 14 * HOUR),
            ("9999-12-31 00:00 Europe/Berlin", LAST_MIDNIGHT - HOUR),
            ("9999-12-31 12:00 America/New_York", LAST_MIDNIGHT + 17 * HOUR),
        ] {
            assert_eq!(parse_until(text), Ok(moment), "{text}");
        }
        assert_eq!(parse_until("0-1-1"), Ok(-62_167_219_200_000));
        for text in ["9999-13-01", "9999-12-32", "9999-12-31 24:00", "10000-01-01", "65535-01-01"] {
            assert_eq!(parse_until(text), Err(DurationFault::TooLate(text.into())), "{text}");
        }
    }

    #[test]
    fn texts_of_another_form_are_no_moments() {
        for text in [
            "tomorrow",
            "2020-01-01T00:00:00Z",
            "2020-01-01 00:00:00",
            "2020-01",
            "2020-01-01 ",
            " 2020-01-01",
            "20200101",
            "2020-01-01 10",
            "2020/01/01",
            "-1-1-1",
            "99999-01-01",
        ] {
            assert_eq!(parse_until(text), Err(DurationFault::Until(text.into())), "{text}");
        }
        for zone in ["Mars/Olympus", "+1", "+99:00", "GMT+x"] {
            let text = format!("2020-01-01 00:00 {zone}");
            assert_eq!(parse_until(&text), Err(DurationFault::Zone(zone.into())), "{text}");
        }
        assert_eq!(parse_until(""), Err(DurationFault::Empty));
    }
}
