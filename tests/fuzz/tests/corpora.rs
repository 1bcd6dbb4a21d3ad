//! Everything that was ever found interesting is looked at again.

use std::{fs, path::Path};

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 8, "only {} files in {}", files.len(), folder.display());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        println!("{}", file.display());
        target(&bytes);
    }
}

#[test]
fn jsonrpc() {
    replay("jsonrpc", beam_mcp_fuzz::jsonrpc);
}

#[test]
fn headers() {
    replay("headers", beam_mcp_fuzz::headers);
}

#[test]
fn sse() {
    replay("sse", beam_mcp_fuzz::sse);
}

#[test]
fn request_state() {
    replay("request_state", beam_mcp_fuzz::request_state);
}
