use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::Version;

/// One block of what a tool or a prompt says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Content {
    /// Text for the model.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image {
        /// Base64.
        data: String,
        /// A valid MIME type.
        mime_type: String,
    },
    /// Sound; text before 2025-03-26.
    Audio {
        /// Base64.
        data: String,
        /// A valid MIME type.
        mime_type: String,
    },
    /// A resource to read when it is needed; text before 2025-06-18.
    ResourceLink {
        /// Where it is read.
        uri: String,
        /// Name for programs.
        name: String,
    },
    /// A resource itself.
    Resource {
        /// What reading it answers.
        resource: ResourceContents,
    },
}

impl Content {
    /// A text block.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// The block as a revision knows it: older peers refuse types of content they do not know.
    pub(super) fn known_to(&self, version: Version) -> Cow<'_, Self> {
        match self {
            Self::Audio { mime_type, .. } if !version.has_audio() => {
                Cow::Owned(Self::text(format!("[audio, {mime_type}]")))
            }
            Self::ResourceLink { uri, name } if !version.is_structured() => {
                Cow::Owned(Self::text(format!("[resource {name}: {uri}]")))
            }
            other => Cow::Borrowed(other),
        }
    }
}

/// What a resource holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceContents {
    /// The resource, or a part of it.
    pub uri: String,
    /// A valid MIME type, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The bytes.
    #[serde(flatten)]
    pub data: ResourceData,
    /// What extensions say about it.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Value>,
}

/// Text, or bytes in base64.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceData {
    /// Text.
    Text(String),
    /// Base64.
    Blob(String),
}

impl ResourceContents {
    /// A resource that is text.
    pub fn text(uri: impl Into<String>, mime_type: &str, text: impl Into<String>) -> Self {
        Self { uri: uri.into(), mime_type: Some(mime_type.into()), data: ResourceData::Text(text.into()), meta: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_have_the_form_of_the_specification() {
        let resource = ResourceContents::text("test://a", "text/plain", "b");
        for (content, want) in [
            (Content::text("a"), json!({"type": "text", "text": "a"})),
            (
                Content::Image { data: "AA==".into(), mime_type: "image/png".into() },
                json!({"type": "image", "data": "AA==", "mimeType": "image/png"}),
            ),
            (
                Content::ResourceLink { uri: "test://a".into(), name: "a".into() },
                json!({"type": "resource_link", "uri": "test://a", "name": "a"}),
            ),
            (
                Content::Resource { resource },
                json!({"type": "resource", "resource": {"uri": "test://a", "mimeType": "text/plain", "text": "b"}}),
            ),
        ] {
            assert_eq!(serde_json::to_value(content).unwrap(), want);
        }
    }

    #[test]
    fn blocks_an_older_revision_does_not_know_are_told_in_words() {
        let audio = Content::Audio { data: "AA==".into(), mime_type: "audio/wav".into() };
        assert_eq!(*audio.known_to(Version::V2024_11_05), Content::text("[audio, audio/wav]"));
        assert_eq!(*audio.known_to(Version::V2025_03_26), audio);
        let link = Content::ResourceLink { uri: "test://a".into(), name: "a".into() };
        assert_eq!(*link.known_to(Version::V2025_03_26), Content::text("[resource a: test://a]"));
        assert_eq!(*link.known_to(Version::V2025_06_18), link);
    }
}
