//! The page about the choice says what the code says.

use std::env;
use std::fs;
use std::path::Path;

#[test]
fn the_page_is_the_one_that_the_tables_make() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ipc-choose.md");
    let made = tamtam_ipc_bench::choose::markdown();
    if env::var_os("TAMTAM_IPC_WRITE").is_some() {
        fs::write(&path, &made).expect("written");
    }
    let page = fs::read_to_string(&path).expect("the page is there");
    assert!(
        page == made,
        "docs/ipc-choose.md is old: TAMTAM_IPC_WRITE=1 cargo test -p tamtam-ipc-bench --test choose"
    );
}
