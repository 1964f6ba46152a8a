//! The scripts, and how their answers are read.

use std::{sync::LazyLock, time::Duration};

use hardpoint_redis::Script;

use crate::{
    session::{Session, SessionClient, SessionId},
    store::{
        StoreError,
        redis::{Fields, corrupt, script},
    },
};

pub(super) static OPEN: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/prelude.lua", "lua/adopt.lua", "lua/open.lua");
pub(super) static PRESENT: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/prelude.lua", "lua/present.lua");
pub(super) static LIST: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/prelude.lua", "lua/adopt.lua", "lua/list.lua");
pub(super) static REVOKE: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/prelude.lua", "lua/adopt.lua", "lua/revoke.lua");
pub(super) static REVOKE_TOKEN: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/prelude.lua", "lua/revoke_token.lua");
pub(super) static ASK: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/prelude.lua", "lua/ask.lua");
pub(super) static SNAPSHOT: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/prelude.lua", "lua/snapshot.lua");
pub(super) static STATUS: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/prelude.lua", "lua/status.lua");

impl Fields {
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
        let mut client = SessionClient::new();
        if !agent.is_empty() {
            client = client.user_agent(&agent);
        }
        if !network.is_empty() {
            let (address, _prefix) = network.split_once('/').ok_or_else(corrupt)?;
            client = client.address(address.parse().map_err(|_| corrupt())?);
        }
        Ok(client)
    }

    pub(super) fn id(&mut self) -> Result<SessionId, StoreError> {
        self.text()?.parse().map_err(|_| corrupt())
    }
}
