//! The page about the mechanisms says what the code says.

use std::env;
use std::fs;
use std::path::Path;

#[test]
fn the_page_is_the_one_that_the_facts_make() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ipc-mechanisms.md");
    let made = tamtam_ipc::table::markdown();
    if env::var_os("TAMTAM_IPC_WRITE").is_some() {
        fs::write(&path, &made).expect("written");
    }
    let page = fs::read_to_string(&path).expect("the page is there");
    assert!(
        page == made,
        "docs/ipc-mechanisms.md is old: TAMTAM_IPC_WRITE=1 cargo test -p tamtam-ipc --test table"
    );
}
