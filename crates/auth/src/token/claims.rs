//! The contents of a token.

use std::{fmt, mem};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Profile, ScopeForm, VerifyError, VerifyErrorKind as Kind,
    profile::{Limits, Test, Text},
};
use crate::{
    ConfigError,
    json::{self, Json},
    scopes,
};

/// The claims of a verified token.
///
/// `Debug` shows the names of the claims and none of their values.
#[derive(Clone, Default)]
pub struct Claims {
    /// An object.
    members: Value,
}

impl Claims {
    /// The claims of a payload that was verified before, so it is an object.
    pub(super) fn parse(json: &str) -> Self {
        Self { members: serde_json::from_str(json).unwrap_or_default() }
    }

    /// The claim with this name as a `T`; `None` if it is absent or of another type.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.members.get(name)?).ok()
    }

    /// The claim with this name, if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// Whether the token leaves out this claim because its value would be too long, as Entra does with
    /// more than 200 groups: `_claim_names` or `hasgroups` announces it, and only the provider knows
    /// the value.
    #[must_use]
    pub fn omits(&self, name: &str) -> bool {
        let first = name.trim_start_matches('/').split('/').next().unwrap_or_default();
        !self.members["_claim_names"][first].is_null()
            || (first == "groups" && self.members["hasgroups"] == true)
    }

    /// Whether a claim equals `expected` or is an array that contains it. The name of a nested claim
    /// is a JSON pointer (RFC 6901), such as `/realm_access/roles`.
    #[must_use]
    pub fn has(&self, name: &str, expected: &str) -> bool {
        let is_pointer = name.starts_with('/');
        let value = if is_pointer { self.members.pointer(name) } else { self.members.get(name) };
        match value {
            Some(Value::String(own)) => own == expected,
            Some(Value::Array(all)) => all.iter().any(|own| own == expected),
            _ => false,
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.as_object().into_iter().flat_map(Map::keys)).finish()
    }
}

/// The claims that every plan reads, in the order of their slots.
const FIXED: [&str; 8] = ["iss", "jti", "exp", "iat", "nbf", "auth_time", "aud", "epoch"];
const ISSUER: usize = 0;
const TOKEN_ID: usize = 1;
const AUTH_TIME: usize = 5;
const EPOCH: usize = 7;
/// The most claims that a plan reads, and the most of them that may list scopes.
const MAX_SLOTS: usize = 24;
const MAX_SCOPES: usize = 4;

/// How the claims of a [`Profile`] are read, in one pass over the payload. Pure.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) profile: Profile,
    /// The claims that have a meaning. The position of one is its slot.
    names: Vec<Text>,
    needs: Vec<(usize, Test)>,
    required: Vec<usize>,
    subjects: Vec<usize>,
    clients: Vec<usize>,
    sessions: Vec<usize>,
    scopes: Vec<(usize, ScopeForm)>,
    tenant: Option<usize>,
}

impl Plan {
    /// How a profile is read, and the claim that names the tenant of a template.
    pub(super) fn new(profile: Profile, tenant: Option<&Text>) -> Result<Self, ConfigError> {
        let is_bound = profile.needs.iter().any(|need| need.test == Test::Audience);
        if !is_bound || profile.subjects.is_empty() {
            return Err(ConfigError::LooseProfile);
        }
        let Limits { token, header } = profile.limits;
        if token > Limits::MAX.token || header > Limits::MAX.header {
            return Err(ConfigError::LongToken { token, header });
        }
        let mut names: Vec<Text> = FIXED.into_iter().map(Text::Borrowed).collect();
        let mut slot = |claim: &Text| {
            names.iter().position(|known| known == claim).unwrap_or_else(|| {
                names.push(claim.clone());
                names.len() - 1
            })
        };
        let plan = Self {
            subjects: profile.subjects.iter().map(&mut slot).collect(),
            clients: profile.clients.iter().map(&mut slot).collect(),
            sessions: profile.sessions.iter().map(&mut slot).collect(),
            required: profile.required.iter().map(&mut slot).collect(),
            tenant: tenant.map(&mut slot),
            scopes: profile.scopes.iter().map(|(claim, form)| (slot(claim), *form)).collect(),
            needs: {
                let needs = profile.needs.iter();
                needs.map(|need| (slot(&need.claim), need.test.clone())).collect()
            },
            names: Vec::new(),
            profile,
        };
        if names.len() > MAX_SLOTS || plan.scopes.len() > MAX_SCOPES {
            return Err(ConfigError::ManyClaims { claims: MAX_SLOTS, scopes: MAX_SCOPES });
        }
        Ok(Self { names, ..plan })
    }

    /// Reads a payload.
    pub(super) fn read<'a>(
        &'a self,
        json: &'a str,
        is_audience: impl Fn(&str) -> bool,
    ) -> Result<Registered<'a>, VerifyError> {
        // Filled in place: the slots and lists are 900 bytes, which are not worth a copy.
        let mut read = Registered {
            plan: self,
            slots: [const { Json::Absent }; MAX_SLOTS],
            lists: [const { String::new() }; MAX_SCOPES],
            with_audience: 0,
            with_others: 0,
        };
        let Registered { slots, lists, with_audience, with_others, .. } = &mut read;
        let found = slots.get_mut(..self.names.len()).unwrap_or_default();
        let object = json::object(json, &self.names, found, |slot, element| {
            let bit = 1 << slot;
            let Some(text) = element.as_str() else { return *with_others |= bit };
            if is_audience(text) {
                *with_audience |= bit;
            }
            let scopes = self.scopes.iter().position(|(own, _)| *own == slot);
            if let Some(list) = scopes.and_then(|index| lists.get_mut(index)) {
                if text.is_empty() || text.contains(' ') {
                    *with_others |= bit;
                }
                if !list.is_empty() {
                    list.push(' ');
                }
                list.push_str(text);
            }
        });
        object.ok_or(Kind::Claims)?;
        if self.profile.null_is_absent {
            let nulls = read.slots.iter_mut().filter(|claim| **claim == Json::Null);
            nulls.for_each(|claim| *claim = Json::Absent);
        }
        Ok(read)
    }
}

/// The claims of a payload, borrowed from it, while they are judged.
pub(super) struct Registered<'a> {
    plan: &'a Plan,
    slots: [Json<'a>; MAX_SLOTS],
    /// The elements of the claims that may list scopes.
    lists: [String; MAX_SCOPES],
    /// A bit for each slot whose list contains an audience.
    with_audience: u32,
    /// A bit for each slot whose list contains something else than a string, or than a scope.
    with_others: u32,
}

/// A claim that is a text and has a meaning to a caller.
#[derive(Clone, Copy)]
pub(super) enum Name {
    Issuer,
    Subject,
    ClientId,
    TokenId,
    SessionId,
    Scope,
}

/// The claims in the order of [`Name`].
pub(super) type Texts<'a> = [Json<'a>; 6];

impl<'a> Registered<'a> {
    pub(super) fn issuer(&self) -> Option<&str> {
        self.at(ISSUER).as_str()
    }

    /// The claim that names the tenant, if the plan has one.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.plan.tenant.and_then(|slot| self.at(slot).as_str())
    }

    /// Whether the token is of the profile's kind, and meant for one of the audiences.
    pub(super) fn check_needs(
        &self,
        is_audience: impl Fn(&str) -> bool,
    ) -> Result<(), VerifyError> {
        for (slot, test) in &self.plan.needs {
            let claim = self.at(*slot);
            let is_met = match test {
                Test::Absent => *claim == Json::Absent,
                Test::Audience if *claim == Json::List => {
                    let bit = 1 << slot;
                    self.with_audience & bit != 0 && self.with_others & bit == 0
                }
                Test::Audience => claim.as_str().is_some_and(&is_audience),
                Test::Is(expected) => claim.as_str() == Some(expected),
                Test::Present => !self.is_missing(*slot),
            };
            if !is_met {
                let kind = if *test == Test::Audience { Kind::Audience } else { Kind::Type };
                return Err(self.error(kind, *slot));
            }
        }
        Ok(())
    }

    /// The times.
    pub(super) fn times(&self) -> Result<Times, VerifyError> {
        let seconds =
            |slot| self.at(slot).optional_seconds().ok_or_else(|| self.error(Kind::Claims, slot));
        Ok(Times {
            expires: seconds(2)?.ok_or_else(|| self.error(Kind::Claims, 2))?,
            issued: seconds(3)?,
            not_before: seconds(4)?,
            logged_in: match self.at(AUTH_TIME) {
                Json::Text(text) if self.plan.profile.text_auth_time => {
                    Some(seconds_of(text).ok_or_else(|| self.error(Kind::Claims, AUTH_TIME))?)
                }
                _ => seconds(AUTH_TIME)?,
            },
            // Other issuers may give the name another meaning.
            epoch: if let Json::Whole(epoch) = self.at(EPOCH) { Some(*epoch) } else { None },
        })
    }

    /// The texts, if every one is of its type and every required claim is present.
    pub(super) fn texts(&mut self) -> Result<Texts<'a>, VerifyError> {
        if let Some(slot) = self.plan.required.iter().find(|slot| self.is_missing(**slot)) {
            return Err(self.error(Kind::Claims, *slot));
        }
        Ok([
            self.first(&[ISSUER])?,
            self.subject()?,
            self.id(&self.plan.clients)?,
            self.id(&[TOKEN_ID])?,
            self.first(&self.plan.sessions)?,
            self.scope()?,
        ])
    }

    /// The first of these claims that is present, which must be a text.
    fn first(&self, slots: &[usize]) -> Result<Json<'a>, VerifyError> {
        let present = slots.iter().find(|slot| *self.at(**slot) != Json::Absent);
        let Some(slot) = present else { return Ok(Json::Absent) };
        match self.at(*slot) {
            text @ Json::Text(_) => Ok(text.clone()),
            _ => Err(self.error(Kind::Claims, *slot)),
        }
    }

    /// The same of claims that are ids, and so never empty.
    fn id(&self, slots: &[usize]) -> Result<Json<'a>, VerifyError> {
        let empty = |slot: &&usize| self.at(**slot).as_str() == Some("");
        match slots.iter().find(empty) {
            Some(slot) => Err(self.error(Kind::Claims, *slot)),
            None => self.first(slots),
        }
    }

    fn subject(&self) -> Result<Json<'a>, VerifyError> {
        let slots = &self.plan.subjects;
        let present = slots.iter().find(|slot| *self.at(**slot) != Json::Absent);
        let slot = present.or(slots.first()).copied().unwrap_or_default();
        match self.at(slot) {
            Json::Text(text) if !text.is_empty() => Ok(Json::Text(text.clone())),
            Json::Whole(number) if self.plan.profile.numeric_subject => {
                Ok(Json::Text(number.to_string().into()))
            }
            _ => Err(self.error(Kind::Claims, slot)),
        }
    }

    fn scope(&mut self) -> Result<Json<'a>, VerifyError> {
        let present = self.plan.scopes.iter().enumerate();
        let mut present = present.filter(|(_, (slot, _))| *self.at(*slot) != Json::Absent);
        let Some((index, (slot, form))) = present.next() else { return Ok(Json::Absent) };
        let text = match (self.at(*slot), form) {
            (Json::Text(text), ScopeForm::Either | ScopeForm::Text) => text.clone(),
            (Json::List, ScopeForm::Either | ScopeForm::List)
                if self.with_others & (1 << slot) == 0 =>
            {
                self.lists.get_mut(index).map(mem::take).unwrap_or_default().into()
            }
            _ => return Err(self.error(Kind::Claims, *slot)),
        };
        if text.bytes().all(|byte| byte == b' ' || scopes::is_in_a_name(byte)) {
            Ok(Json::Text(text))
        } else {
            Err(self.error(Kind::Claims, *slot))
        }
    }

    /// Whether a claim is absent, or an empty string.
    fn is_missing(&self, slot: usize) -> bool {
        match self.at(slot) {
            Json::Absent | Json::Null => true,
            Json::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    fn at(&self, slot: usize) -> &Json<'a> {
        self.slots.get(slot).unwrap_or(&Json::Absent)
    }

    fn error(&self, kind: Kind, slot: usize) -> VerifyError {
        VerifyError::about(kind, self.plan.names.get(slot).cloned().unwrap_or_default())
    }
}

/// The seconds since 1970 of a time in UTC (RFC 3339); its fraction is cut off.
fn seconds_of(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let number = |part: Option<&str>, digits: usize, most: u64| {
        let part = part.filter(|part| part.len() == digits)?;
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|number: &u64| is_number && *number <= most)
    };
    let (mut date, mut time) = (date.split('-'), time.split(':'));
    let year = number(date.next(), 4, 9999)?;
    let (month, day) = (number(date.next(), 2, 12)?, number(date.next(), 2, 31)?);
    let (hour, minute) = (number(time.next(), 2, 23)?, number(time.next(), 2, 59)?);
    let second = number(time.next(), 2, 60)?;
    if year < 1970 || month == 0 || day == 0 || date.next().is_some() || time.next().is_some() {
        return None;
    }
    // Years begin in March, so that the day of a leap year is the last one.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    // The days from the first of March of the year 0 to 1970.
    Some((days.checked_sub(719_468)? * 24 + hour) * 3_600 + minute * 60 + second)
}

/// The times of a token, in seconds since 1970, and the epoch of its subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) expires: u64,
    pub(super) issued: Option<u64>,
    pub(super) not_before: Option<u64>,
    pub(super) logged_in: Option<u64>,
    pub(super) epoch: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_text_is_read_as_rfc_3339_writes_it() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2026-11-28T08:49:37.123Z", Some(1_795_855_777)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-11-28T24:00:00Z", None),
            ("2026-11-28T08:49:37+01:00", None),
            ("2026-11-28 08:49:37Z", None),
            ("+026-11-28T08:49:37Z", None),
            ("now", None),
            ("", None),
        ] {
            assert_eq!(seconds_of(text), seconds, "{text}");
        }
    }
}
