//! `libzmq.pc`: how compilers find the package through pkg-config.

use super::VERSION;

/// What a program needs besides that is linked with `libzmq.a`: what Rust's standard library is made on.
pub(crate) const STATIC_LIBRARIES: [&str; 6] = ["gcc_s", "util", "rt", "pthread", "m", "dl"];

/// The file's text. The prefix is found from where the file stands, so that the package can be moved.
pub(crate) fn text(draft: bool) -> String {
    let private: Vec<String> = STATIC_LIBRARIES.iter().map(|name| format!("-l{name}")).collect();
    let draft = if draft { " -DZMQ_BUILD_DRAFT_API=1" } else { "" };
    format!(
        "\
prefix=${{pcfiledir}}/../..
exec_prefix=${{prefix}}
libdir=${{prefix}}/lib
includedir=${{prefix}}/include

Name: libzmq
Description: ZeroMQ sockets: Tamtam behind libzmq's interface
Version: {VERSION}
Libs: -L${{libdir}} -lzmq
Libs.private: {}
Cflags: -I${{includedir}}{draft}
",
        private.join(" ")
    )
}
