//! Who may register now: the initial access token, and how often (R15, R22, P21).
//!
//! Asked after a registration was found well formed and before a registrar hears of it, so that what
//! strangers send costs the registrar no more than the limits say.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::{Config, Who};
use crate::secret::{Secret, SecretError};

/// Addresses counted at once; beyond, all others are counted as one.
const ADDRESSES_MAX: usize = 10_000;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Why a registration is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nobody registers by this way.
    Closed,
    /// The initial access token is missing or wrong.
    Token,
    /// Too many of late from this address; when one more is taken.
    TooManyFromAddress(Duration),
    /// Too many of late in all; when one more is taken.
    TooMany(Duration),
}

/// Who may register, and how often.
#[derive(Debug)]
pub(crate) struct Admission {
    who: Who,
    token: Option<Secret>,
    per_minute: u32,
    per_hour: u32,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    all: Option<Window>,
    others: Option<Window>,
    by_address: HashMap<IpAddr, Window>,
}

/// What came since.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    count: u32,
}

impl Admission {
    /// Reads the token, where there is one.
    ///
    /// # Errors
    /// [`SecretError`] for a file that can't be taken.
    pub(crate) fn new(config: &Config) -> Result<Self, SecretError> {
        let file = config.initial_access_token_file.as_deref();
        Ok(Self {
            who: config.who,
            token: file.map(Secret::from_file).transpose()?,
            per_minute: config.per_address_per_minute,
            per_hour: config.per_hour,
            book: Mutex::default(),
        })
    }

    /// Whether any program may register.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.who, Who::Open | Who::Token)
    }

    /// Whether developers may make agents, who have shown who they are.
    pub(crate) fn admits_developers(&self) -> bool {
        self.who != Who::Nobody
    }

    /// Whether who shows this token may register. Tells nothing of how often.
    pub(crate) fn admit(&self, token: Option<&str>) -> Result<(), Refused> {
        match self.who {
            Who::Open => Ok(()),
            Who::Portal | Who::Nobody => Err(Refused::Closed),
            Who::Token => {
                let shown = token.unwrap_or_default().as_bytes();
                let expected = self.token.as_ref().map_or("", Secret::expose).as_bytes();
                let same = !expected.is_empty() && bool::from(shown.ct_eq(expected));
                same.then_some(()).ok_or(Refused::Token)
            }
        }
    }

    /// Counts one registration from this address, or says when one more is taken.
    pub(crate) fn count(&self, address: Option<IpAddr>) -> Result<(), Refused> {
        let now = Instant::now();
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let Book {
            all,
            others,
            by_address,
        } = &mut *book;
        let all = of_now(all, now, HOUR);
        all.check(now, self.per_hour, HOUR)
            .map_err(Refused::TooMany)?;
        let ours = match address.map(network) {
            Some(address) => {
                if !by_address.contains_key(&address) && by_address.len() >= ADDRESSES_MAX {
                    by_address.retain(|_, window| now - window.began < MINUTE);
                }
                if by_address.contains_key(&address) || by_address.len() < ADDRESSES_MAX {
                    let window = by_address.entry(address).or_insert(Window::at(now));
                    window.renew(now, MINUTE);
                    window
                } else {
                    of_now(others, now, MINUTE)
                }
            }
            None => of_now(others, now, MINUTE),
        };
        ours.check(now, self.per_minute, MINUTE)
            .map_err(Refused::TooManyFromAddress)?;
        ours.count += 1;
        all.count += 1;
        Ok(())
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn of_now(window: &mut Option<Window>, now: Instant, length: Duration) -> &mut Window {
    let window = window.get_or_insert(Window::at(now));
    window.renew(now, length);
    window
}

impl Window {
    const fn at(began: Instant) -> Self {
        Self { began, count: 0 }
    }

    fn renew(&mut self, now: Instant, length: Duration) {
        if now - self.began >= length {
            *self = Self::at(now);
        }
    }

    /// Whether there is room for one more, or when there will be.
    fn check(&self, now: Instant, limit: u32, length: Duration) -> Result<(), Duration> {
        if self.count < limit {
            return Ok(());
        }
        Err(length.saturating_sub(now - self.began) + Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(change: impl FnOnce(&mut Config)) -> Admission {
        let mut config = Config::default();
        change(&mut config);
        Admission::new(&config).unwrap()
    }

    fn count(admission: &Admission, address: &str) -> Result<(), Refused> {
        admission.count(Some(address.parse().unwrap()))
    }

    // R15
    #[tokio::test(start_paused = true)]
    async fn of_a_thousand_in_a_minute_from_one_address_ten_are_taken() {
        let admission = admission(|_| ());

        let taken = (0..1_000).filter(|_| count(&admission, "192.0.2.1").is_ok());
        assert_eq!(taken.count(), 10);
        assert!(count(&admission, "192.0.2.2").is_ok());

        tokio::time::advance(MINUTE).await;
        assert!(count(&admission, "192.0.2.1").is_ok());
    }

    // P21
    #[tokio::test(start_paused = true)]
    async fn of_ten_thousand_from_everywhere_a_hundred_are_taken_in_an_hour() {
        let admission = admission(|_| ());

        let from = |one: u32| Some(IpAddr::V4(std::net::Ipv4Addr::from_bits(one)));
        let taken = (0..10_000).filter(|one| admission.count(from(*one)).is_ok());
        assert_eq!(taken.count(), 100);

        tokio::time::advance(HOUR).await;
        assert!(admission.count(from(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_of_ipv6_is_one_address() {
        let admission = admission(|config| config.per_address_per_minute = 1);

        assert!(count(&admission, "2001:db8::1").is_ok());
        assert!(count(&admission, "2001:db8::ffff:2").is_err());
        assert!(count(&admission, "2001:db8:0:1::1").is_ok());
    }

    // R22
    #[test]
    fn with_a_token_only_who_has_it_may_register() {
        let mut admission = admission(|config| config.who = Who::Token);
        assert_eq!(
            admission.admit(Some("")),
            Err(Refused::Token),
            "no token is set"
        );
        admission.token = Some(Secret::new("let-me-in"));

        assert_eq!(admission.admit(None), Err(Refused::Token));
        assert_eq!(admission.admit(Some("let-me-out")), Err(Refused::Token));
        assert_eq!(admission.admit(Some("let-me-in")), Ok(()));
    }
}
