use beam_mcp_core::{Error, mcp_client::Connection};
use serde_json::{Value, json};

use crate::{
    Given,
    driver::{Answers, Driver},
};

/// The application of a scenario: accepts what it is asked, and consents where the suite's page lets everybody in.
struct Application;

impl Answers for Application {
    async fn answer(&self, driver: &Driver, method: &str, params: &Value) -> Result<Option<Value>, Error> {
        Ok(match method {
            "authorize" => driver.redirected(params["url"].as_str().unwrap_or_default()).await.map(Value::from),
            "elicitation/create" => {
                let confirm = params["requestedSchema"]["properties"].get("confirmed").is_some();
                if confirm {
                    // Another call while this one waits must not carry anything of it.
                    driver.run(&Silent, "call_tool", json!({"name": "test_mrtr_unrelated", "arguments": {}})).await?;
                }
                let content = if confirm { json!({"confirmed": true}) } else { json!({}) };
                Some(json!({"action": "accept", "content": content}))
            }
            _ => None,
        })
    }
}

/// Answers nothing.
struct Silent;

impl Answers for Silent {
    async fn answer(&self, _: &Driver, _: &str, _: &Value) -> Result<Option<Value>, Error> {
        Ok(None)
    }
}

/// Does what a scenario wants.
pub(crate) async fn run(given: &Given) -> Result<(), Error> {
    let options =
        serde_json::from_value(given.options()).map_err(|error| Error::invalid("options", error.to_string()))?;
    let script = Script { driver: Driver::new(&given.url, Connection::new(options)?) };
    script.ask("connect", json!({})).await?;
    if given.scenario == "elicitation-sep1034-client-defaults" {
        return script.beside_its_news().await;
    }
    match given.scenario.as_str() {
        "tools_call" => script.call("add_numbers", json!({"a": 5, "b": 3})).await?,
        "http-standard-headers" => script.everything().await?,
        "http-custom-headers" => script.calls_of(&given.context["toolCalls"]).await?,
        "json-schema-2020-12-preservation" => script.echo_schema().await?,
        _ => script.all_tools().await?,
    }
    script.ask("close", json!({})).await.map(|_| ())
}

struct Script {
    driver: Driver,
}

impl Script {
    async fn ask(&self, verb: &str, input: Value) -> Result<Value, Error> {
        self.driver.run(&Application, verb, input).await
    }

    /// This server asks on the stream of its session's news, not on that of the call.
    async fn beside_its_news(&self) -> Result<(), Error> {
        let call = async {
            self.driver.listens().await;
            self.all_tools().await
        };
        tokio::select! {
            done = call => done,
            ended = self.ask("listen", json!({})) => ended.map(|_| ()),
        }
    }

    async fn tools(&self) -> Result<Vec<Value>, Error> {
        Ok(self.ask("list_tools", json!({})).await?["tools"].as_array().cloned().unwrap_or_default())
    }

    async fn call(&self, name: &str, arguments: Value) -> Result<(), Error> {
        self.tools().await?;
        self.ask("call_tool", json!({"name": name, "arguments": arguments})).await.map(|_| ())
    }

    /// Calls every tool that can be used, with nothing or with what its schema requires.
    async fn all_tools(&self) -> Result<(), Error> {
        for tool in self.tools().await? {
            let required = tool["inputSchema"]["required"].as_array().cloned().unwrap_or_default();
            let arguments: serde_json::Map<_, _> =
                required.iter().filter_map(|name| Some((name.as_str()?.to_owned(), json!("x")))).collect();
            self.ask("call_tool", json!({"name": tool["name"], "arguments": arguments})).await?;
        }
        Ok(())
    }

    async fn calls_of(&self, calls: &Value) -> Result<(), Error> {
        self.tools().await?;
        for call in calls.as_array().into_iter().flatten() {
            self.ask("call_tool", call.clone()).await?;
        }
        Ok(())
    }

    async fn everything(&self) -> Result<(), Error> {
        self.all_tools().await?;
        for resource in self.ask("list_resources", json!({})).await?["resources"].as_array().into_iter().flatten() {
            self.ask("read_resource", json!({"uri": resource["uri"]})).await?;
        }
        for prompt in self.ask("list_prompts", json!({})).await?["prompts"].as_array().into_iter().flatten() {
            self.ask("get_prompt", json!({"name": prompt["name"]})).await?;
        }
        Ok(())
    }

    async fn echo_schema(&self) -> Result<(), Error> {
        let tools = self.tools().await?;
        let schema =
            tools.iter().find(|tool| tool["name"] == "json_schema_2020_12_tool").map(|tool| &tool["inputSchema"]);
        self.ask("call_tool", json!({"name": "json_schema_echo", "arguments": {"schema": schema}})).await.map(|_| ())
    }
}
