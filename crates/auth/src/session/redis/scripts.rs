//! The scripts, and how their answers are read.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hardpoint_redis::{Script, Value};

pub(super) use crate::store::{corrupt, failed};
use crate::{
    session::{Session, SessionClient, SessionId},
    store::StoreError,
};

/// The scripts of the store. Each is the prelude and its own text.
pub(super) struct Scripts {
    pub(super) open: Script,
    pub(super) present: Script,
    pub(super) list: Script,
    pub(super) revoke: Script,
    pub(super) revoke_token: Script,
    pub(super) ask: Script,
    pub(super) snapshot: Script,
    pub(super) status: Script,
}

macro_rules! script {
    ($($file:literal),*) => {
        Script::new(concat!(include_str!("lua/prelude.lua"), $(include_str!($file)),*))
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            open: script!("lua/adopt.lua", "lua/open.lua"),
            present: script!("lua/present.lua"),
            list: script!("lua/adopt.lua", "lua/list.lua"),
            revoke: script!("lua/adopt.lua", "lua/revoke.lua"),
            revoke_token: script!("lua/revoke_token.lua"),
            ask: script!("lua/ask.lua"),
            snapshot: script!("lua/snapshot.lua"),
            status: script!("lua/status.lua"),
        }
    }
}

/// The elements of an answer, read from the front.
pub(super) struct Fields(std::vec::IntoIter<Value>);

impl Fields {
    pub(super) fn read(answer: Value) -> Result<Self, StoreError> {
        Ok(Self(answer.into_array().map_err(failed)?.into_iter()))
    }

    pub(super) fn value(&mut self) -> Result<Value, StoreError> {
        self.0.next().ok_or_else(corrupt)
    }

    pub(super) fn list(&mut self) -> Result<Self, StoreError> {
        Self::read(self.value()?)
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        let bytes = self.value()?.into_bytes().map_err(failed)?.ok_or_else(corrupt)?;
        String::from_utf8(bytes).map_err(|_| corrupt())
    }

    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.value()?.into_int().map_err(failed)?).map_err(|_| corrupt())
    }

    pub(super) fn session(&mut self, id: SessionId) -> Result<Session, StoreError> {
        Ok(Session {
            id,
            subject: self.text()?.into(),
            scope: self.text()?.into(),
            method: self.text()?.into(),
            created: Duration::from_millis(self.number()?),
            last_used: Duration::from_millis(self.number()?),
            expires: Duration::from_millis(self.number()?),
            client: self.client()?,
        })
    }

    fn client(&mut self) -> Result<SessionClient, StoreError> {
        let (agent, network) = (self.text()?, self.text()?);
        let network = if network.is_empty() {
            None
        } else {
            Some(network.parse::<IpAddr>().map_err(|_| corrupt())?)
        };
        let agent = (!agent.is_empty()).then(|| Arc::from(agent));
        Ok(SessionClient::from_kept(agent, network))
    }

    pub(super) fn id(&mut self) -> Result<SessionId, StoreError> {
        self.text()?.parse().map_err(|_| corrupt())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}
