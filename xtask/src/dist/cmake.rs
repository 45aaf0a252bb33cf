//! The files by which CMake's `find_package(ZeroMQ)` finds the package: the targets `libzmq` and `libzmq-static`, and the
//! variables that libzmq's own package sets.

use super::pkg_config::STATIC_LIBRARIES;
use super::{FILE, SONAME, VERSION};

/// `ZeroMQConfig.cmake`.
pub(crate) fn config(draft: bool) -> String {
    let draft = if draft { "\n    INTERFACE_COMPILE_DEFINITIONS ZMQ_BUILD_DRAFT_API=1" } else { "" };
    let private = STATIC_LIBRARIES.join(";");
    format!(
        "\
get_filename_component(_zeromq_prefix \"${{CMAKE_CURRENT_LIST_DIR}}/../../..\" ABSOLUTE)
set(ZeroMQ_INCLUDE_DIR \"${{_zeromq_prefix}}/include\")
set(ZeroMQ_LIBRARY \"${{_zeromq_prefix}}/lib/{FILE}\")
set(ZeroMQ_STATIC_LIBRARY \"${{_zeromq_prefix}}/lib/libzmq.a\")
unset(_zeromq_prefix)

if(NOT TARGET libzmq)
  add_library(libzmq SHARED IMPORTED)
  set_target_properties(libzmq PROPERTIES
    IMPORTED_LOCATION \"${{ZeroMQ_LIBRARY}}\"
    IMPORTED_SONAME \"{SONAME}\"
    INTERFACE_INCLUDE_DIRECTORIES \"${{ZeroMQ_INCLUDE_DIR}}\"{draft})
endif()

if(NOT TARGET libzmq-static)
  add_library(libzmq-static STATIC IMPORTED)
  set_target_properties(libzmq-static PROPERTIES
    IMPORTED_LOCATION \"${{ZeroMQ_STATIC_LIBRARY}}\"
    IMPORTED_LINK_INTERFACE_LANGUAGES \"C\"
    INTERFACE_LINK_LIBRARIES \"{private}\"
    INTERFACE_INCLUDE_DIRECTORIES \"${{ZeroMQ_INCLUDE_DIR}}\"{draft})
endif()

set(ZeroMQ_FOUND TRUE)
"
    )
}

/// `ZeroMQConfigVersion.cmake`: a later 4.x is asked for in vain, an earlier one is fine.
pub(crate) fn version() -> String {
    let major = VERSION.split('.').next().unwrap_or(VERSION);
    format!(
        "\
set(PACKAGE_VERSION \"{VERSION}\")
if(PACKAGE_FIND_VERSION_MAJOR STREQUAL \"{major}\" AND NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
elseif(NOT PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
else()
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
endif()
"
    )
}
