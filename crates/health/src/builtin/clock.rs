//! A check of the system's clock.

use std::{error::Error, time::Duration};

use hardpoint_core::Time;
use http::HeaderValue;

use super::RunFuture;
use crate::Down;

/// Compares the system's clock with the `Date` header of a response, which `request` fetches by the
/// application's own client. Fails if they differ by more than `most`.
///
/// Tokens that expire, signatures with a time stamp and TLS certificates all depend on the clock.
/// The comparison is exact to about a second plus the time of the request, in favour of the clock,
/// so `most` should be several seconds. The server must keep its own clock, as a neighbour in the
/// same fleet that has the same fault does not.
pub fn clock_skew<F, Fut, E>(
    most: Duration,
    mut request: F,
) -> impl FnMut() -> RunFuture + Send + 'static
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Option<HeaderValue>, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    move || {
        let request = request();
        Box::pin(async move {
            let clock = Time::system();
            let sent = clock.unix();
            let date = request.await.map_err(|error| Down::new("failed").caused_by(error))?;
            let received = clock.unix();
            let date = date.as_ref().and_then(parse).ok_or(Down::new("no_date"))?;
            let skew = skew(date, sent, received);
            if skew > most {
                let cause = format!("the clock differs from the server's by at least {skew:?}");
                return Err(Down::new("skewed").caused_by(cause));
            }
            Ok(())
        })
    }
}

fn parse(date: &HeaderValue) -> Option<Duration> {
    let date = httpdate::parse_http_date(date.to_str().ok()?).ok()?;
    date.duration_since(std::time::UNIX_EPOCH).ok()
}

/// The least difference between two clocks, if the other one showed `date`, cut to the second, at
/// some moment between `sent` and `received`.
fn skew(date: Duration, sent: Duration, received: Duration) -> Duration {
    let latest = date.saturating_add(Duration::from_secs(1));
    sent.saturating_sub(latest).max(date.saturating_sub(received))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_and_the_time_of_the_request_count_for_the_clock() {
        let seconds = Duration::from_secs_f64;
        for (date, sent, received, expected) in [
            (100.0, 100.0, 100.1, 0.0),
            (100.0, 100.9, 101.0, 0.0),
            // Cut to the second, so it may have been 100.999.
            (100.0, 101.0, 101.1, 0.0),
            (100.0, 102.5, 102.6, 1.5),
            (100.0, 97.0, 98.0, 2.0),
            (100.0, 90.0, 110.0, 0.0),
        ] {
            assert_eq!(skew(seconds(date), seconds(sent), seconds(received)), seconds(expected));
        }
    }

    #[test]
    fn only_dates_of_http_are_read() {
        let parse = |text: &'static str| parse(&HeaderValue::from_static(text));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(784_111_777)));
        for bad in ["", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1900 08:49:37 GMT"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
