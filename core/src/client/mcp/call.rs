use serde_json::Value;

use super::{Heard, Peer, Tool};
use crate::{client::flow::Link, error::Error};

impl Link {
    /// Calls a tool. One that plans what cannot be undone is told to do exactly that.
    pub(in crate::client) async fn call_tool(&self, tool: &Tool) -> Result<Value, Error> {
        let answer = self.repeated(|| self.tool(tool)).await?;
        let digest = answer.get("plan").and_then(|plan| plan.get("digest")).and_then(Value::as_str);
        match digest.filter(|_| answer.get("operation").is_none() && !tool.is_dry_run()) {
            Some(digest) if !tool.is_confirmed() => {
                let tool = tool.confirmed(digest);
                self.repeated(|| self.tool(&tool)).await
            }
            _ => Ok(answer),
        }
    }

    async fn tool(&self, tool: &Tool) -> Result<Value, Error> {
        let answer = self.send(&tool.modern()).await?;
        match tool.hear(&answer).map_err(|error| error.during(self.route.verb))? {
            Heard::Answer(data) => Ok(data),
            Heard::Older => self.older(tool).await.map_err(|error| error.during(self.route.verb)),
        }
    }

    /// Asks a server that wants to be greeted.
    async fn older(&self, tool: &Tool) -> Result<Value, Error> {
        let peer = Peer::read(&self.send(&tool.greeting()).await?)?;
        self.send(&tool.greeted(&peer)).await?;
        let answer = self.send(&tool.older(&peer)).await;
        if let Some(farewell) = tool.farewell(&peer) {
            // A server that holds the session a while longer forgets it by itself.
            let _ = self.send(&farewell).await;
        }
        tool.hear_older(&answer?)
    }
}
