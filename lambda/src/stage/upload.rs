//! An upload: chunks in, a kept source out.

use beam_mcp_core::effect::{Refusal, Source};
use bytes::Bytes;

use super::{Files, artifacts::Incoming, artifacts::plain_name, blocking, refusal};
use crate::effects::{Receipt, Work};

pub(super) struct Upload {
    files: Files,
    /// `None` once a chunk was refused.
    incoming: Option<Incoming>,
}

impl Upload {
    pub(super) fn new(files: Files, incoming: Incoming) -> Self {
        Self { files, incoming: Some(incoming) }
    }
}

impl Receipt for Upload {
    fn write(&mut self, bytes: Bytes) -> Work<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let mut incoming = self.incoming.take().ok_or_else(over)?;
            let written = blocking(move || incoming.write(&bytes).map(|()| incoming)).await;
            self.incoming = Some(written?);
            Ok(())
        })
    }

    fn finish(self: Box<Self>, file_name: String) -> Work<'static, Result<Source, Refusal>> {
        Box::pin(async move {
            let (files, incoming) = (self.files, self.incoming.ok_or_else(over)?);
            blocking(move || {
                let (id, name) = (incoming.keep()?, plain_name(&file_name));
                files.artifacts.set_file_name(&id, &name)?;
                files.describe(&id, name, None)
            })
            .await
        })
    }
}

fn over() -> Refusal {
    refusal("unreadable", "the upload was ended by an earlier chunk")
}
