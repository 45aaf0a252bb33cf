//! Makes Rust types of `.proto` files for Tamtam's topics: two lines of a build script, and no `protoc`.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     tamtam_build::compile(&["proto/imu.proto"], &["proto"])?;
//!     Ok(())
//! }
//! ```
//!
//! The types are those of [`prost_build`], in one file per package in `OUT_DIR`, which
//! `tamtam::include_proto!("demo")` includes. Every message also gets an implementation of
//! `tamtam::Described`, which hands out the descriptors that the files were compiled to: that is what a
//! publisher tells its subscribers about its type. Google's well-known types are mapped to those of the crate
//! `prost-types`, as [`prost_build`] does by default.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use prost_build::Module;

/// Compiles `.proto` files in a build script with the default [`Config`].
///
/// `includes` are the folders that imports are looked up in; each of `protos` has to be in one of them.
/// Google's well-known types need no folder.
///
/// # Errors
///
/// As for [`Config::compile`].
pub fn compile(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    Config::new().compile(protos, includes)
}

/// How `.proto` files are compiled.
///
/// ```no_run
/// # fn main() -> Result<(), tamtam_build::Error> {
/// tamtam_build::Config::new()
///     .tamtam_path("::robot::tamtam")
///     .with_prost(|prost| {
///         prost.bytes(["."]);
///     })
///     .compile(&["proto/imu.proto"], &["proto"])
/// # }
/// ```
#[derive(Debug)]
pub struct Config {
    prost: prost_build::Config,
    tamtam_path: String,
    default_package_filename: String,
    out_dir: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            prost: prost_build::Config::new(),
            tamtam_path: "::tamtam".to_owned(),
            default_package_filename: "_".to_owned(),
            out_dir: None,
        }
    }
}

impl Config {
    /// Returns the default configuration: output in `OUT_DIR`, and the crate `tamtam` under its own name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands out prost's own configuration, for everything that has no method here: `extern_path`, `bytes`,
    /// attributes.
    ///
    /// Three settings belong to this type and are overwritten: the output folder ([`Config::out_dir`]), the
    /// file name of types without a package ([`Config::default_package_filename`]), and type names, which are
    /// always on.
    #[must_use]
    pub fn with_prost(mut self, change: impl FnOnce(&mut prost_build::Config)) -> Self {
        change(&mut self.prost);
        self
    }

    /// Sets the path under which the generated code finds the crate `tamtam`, for crates that renamed or
    /// re-export it. The default is `::tamtam`.
    #[must_use]
    pub fn tamtam_path(mut self, path: impl Into<String>) -> Self {
        self.tamtam_path = path.into();
        self
    }

    /// Sets the name, without `.rs`, of the file for types that have no package. The default is `_`.
    #[must_use]
    pub fn default_package_filename(mut self, name: impl Into<String>) -> Self {
        self.default_package_filename = name.into();
        self
    }

    /// Writes into this folder, which has to exist, instead of `OUT_DIR`.
    #[must_use]
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(folder.into());
        self
    }

    /// Compiles the files and everything they import, and tells Cargo to run the build script again when one
    /// of them changes.
    ///
    /// Files of one package have to be compiled in one call, as each call writes the package's whole Rust
    /// file.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchFile`], [`Error::Compile`] with file and line, [`Error::NoOutDir`] outside of a build
    /// script, and [`Error::Write`] if the results cannot be written.
    pub fn compile(
        mut self,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), Error> {
        let out_dir = match &self.out_dir {
            Some(folder) => folder.clone(),
            None => std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or(Error::NoOutDir)?,
        };
        let mut compiler = protox::Compiler::new(includes).map_err(|error| Error::of_compiler(&error))?;
        compiler.include_imports(true).include_source_info(true);
        for proto in protos {
            let proto = proto.as_ref();
            // The compiler would say that the file is in no include folder, which sends people the wrong way.
            if !proto.is_file() && !includes.iter().any(|folder| folder.as_ref().join(proto).is_file()) {
                return Err(Error::NoSuchFile { path: proto.to_owned() });
            }
            compiler.open_file(proto).map_err(|error| Error::of_compiler(&error))?;
        }
        for path in compiler.files().filter_map(|file| file.path()) {
            println!("cargo:rerun-if-changed={}", path.display());
        }
        let descriptors = compiler.file_descriptor_set();
        let packages: BTreeSet<String> =
            descriptors.file.iter().map(|file| file.package().to_owned()).collect();
        let has_bare_types =
            descriptors.file.iter().any(|file| file.package().is_empty() && !file.message_type.is_empty());
        // Comments are of use to the generated Rust code only, not to those who read the descriptors.
        let encoded = compiler.include_source_info(false).encode_file_descriptor_set();
        let fds_name = fds_name(protos, includes);
        write_if_changed(&out_dir.join(&fds_name), &encoded)?;

        self.prost.enable_type_names();
        self.prost.default_package_filename(self.default_package_filename.as_str());
        if let Some(folder) = &self.out_dir {
            self.prost.out_dir(folder);
        }
        self.prost
            .compile_fds(descriptors)
            .map_err(|source| Error::Write { path: out_dir.clone(), source })?;

        // In a build script the generated file may be read through OUT_DIR only; a folder of one's own may be
        // moved.
        let include = if self.out_dir.is_some() {
            format!("::core::include_bytes!(\"{fds_name}\")")
        } else {
            format!("::core::include_bytes!(::core::concat!(::core::env!(\"OUT_DIR\"), \"/{fds_name}\"))")
        };
        for package in &packages {
            let module = Module::from_protobuf_package_name(package);
            let path = out_dir.join(module.to_file_name_or(&self.default_package_filename));
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let text = add_descriptors(&text, &self.tamtam_path, &include);
                    write_if_changed(&path, text.as_bytes())?;
                }
                // A package whose types are all defined elsewhere, such as Google's, gets no file.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && !(package.is_empty() && has_bare_types) => {
                }
                Err(source) => return Err(Error::Write { path, source }),
            }
        }
        Ok(())
    }
}

/// Adds our own implementation in front of each that says a message's name: the one place of the generated
/// code that exists once per message, in the module in which the message's Rust name means it.
fn add_descriptors(text: &str, tamtam_path: &str, include: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive('\n') {
        let code = line.trim();
        let message = code
            .strip_prefix("impl ")
            .and_then(|code| code.strip_suffix('{'))
            .and_then(|code| code.split_once("::Name for "))
            .map(|(_, message)| message.trim());
        if let Some(message) = message {
            out.push_str(&format!(
                "impl {tamtam_path}::Described for {message} {{\n    \
                 fn descriptor_set() -> &'static [u8] {{\n        {include}\n    }}\n}}\n"
            ));
        }
        out.push_str(line);
    }
    out
}

/// Names the file of descriptors after what is compiled: the same in every build, and another one for every
/// call in a build script that compiles something else.
fn fds_name(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> String {
    let protos = protos.iter().map(|path| path.as_ref().to_string_lossy());
    let includes = includes.iter().map(|path| path.as_ref().to_string_lossy());
    // FNV-1a: short, and unlike the standard library's hash the same in every version of Rust.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for (kind, path) in protos.map(|path| (b'p', path)).chain(includes.map(|path| (b'i', path))) {
        for octet in [kind].into_iter().chain(path.bytes()).chain([0]) {
            hash = (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("tamtam_{hash:016x}.fds")
}

/// Leaves a file alone that has this content already, so that its time does not make Cargo compile again.
fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::write(path, content).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Why `.proto` files were not compiled.
///
/// Its debug form is the text as well: that is what Cargo shows when a build script's `main` returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file to compile does not exist, neither as it is named nor in one of the include folders.
    #[error("no such file: {}", path.display())]
    NoSuchFile {
        /// As the build script names it.
        path: PathBuf,
    },
    /// A file is not valid, or something it imports is missing.
    #[error("{message}")]
    Compile {
        /// What is wrong, after the file and, where known, line and column: `imu.proto:3:5: …`.
        message: String,
    },
    /// The environment variable `OUT_DIR` is not set: this is no build script, and no other folder was given.
    #[error("OUT_DIR is not set: call this in a build script, or set an output folder")]
    NoOutDir,
    /// A file of the output could not be generated, written, or read back.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or its folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    fn of_compiler(error: &protox::Error) -> Self {
        // Only the debug form has the line.
        Self::Compile { message: format!("{error:?}") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("out")).unwrap();
            for (name, text) in files {
                fs::write(folder.path().join(name), text).unwrap();
            }
            Self(folder)
        }

        fn config(&self) -> Config {
            Config::new().out_dir(self.0.path().join("out"))
        }

        fn compile(&self, names: &[&str]) -> Result<(), Error> {
            self.compile_with(self.config(), names)
        }

        fn compile_with(&self, config: Config, names: &[&str]) -> Result<(), Error> {
            let protos: Vec<PathBuf> = names.iter().map(|name| self.0.path().join(name)).collect();
            config.compile(&protos, &[self.0.path()])
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.path().join("out").join(name)).unwrap()
        }

        fn fds(&self) -> Vec<PathBuf> {
            let mut found: Vec<PathBuf> = fs::read_dir(self.0.path().join("out"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "fds"))
                .collect();
            found.sort();
            found
        }
    }

    const IMU: &str = r#"
        syntax = "proto3";
        package demo;
        import "google/protobuf/timestamp.proto";
        import "geo.proto";
        // impl ::prost::Name for Nobody {
        message Imu {
          google.protobuf.Timestamp stamp = 1;
          geo.Vec3 rate = 2;
          map<string, Axis> axes = 3;
          message Axis { double bias = 1; message Deep {} }
          oneof extra { string note = 4; }
        }
        message Other {}
    "#;
    const GEO: &str = r#"syntax = "proto3"; package geo; message Vec3 { double x = 1; }"#;

    #[test]
    fn every_message_is_described_once() {
        let folder = Folder::new(&[("imu.proto", IMU), ("geo.proto", GEO)]);
        folder.compile(&["imu.proto"]).unwrap();
        let demo = folder.read("demo.rs");
        for message in ["Imu", "Axis", "Deep", "Other"] {
            let count = demo.matches(&format!("impl ::tamtam::Described for {message} {{")).count();
            assert_eq!(count, 1, "{message} in\n{demo}");
        }
        assert_eq!(demo.matches("::Described for").count(), 4, "{demo}");
        assert_eq!(folder.read("geo.rs").matches("impl ::tamtam::Described for Vec3 {").count(), 1);
        assert!(demo.contains("::prost_types::Timestamp"), "{demo}");
        let [fds] = folder.fds().try_into().unwrap();
        assert!(demo.contains(fds.file_name().unwrap().to_str().unwrap()));
        let set = prost_build_set(&fs::read(fds).unwrap());
        assert_eq!(set, ["geo.proto", "google/protobuf/timestamp.proto", "imu.proto"]);
    }

    /// The names of the files of an encoded descriptor set.
    fn prost_build_set(bytes: &[u8]) -> Vec<String> {
        #[derive(Clone, PartialEq, prost::Message)]
        struct Set {
            #[prost(message, repeated, tag = "1")]
            file: Vec<Named>,
        }
        #[derive(Clone, PartialEq, prost::Message)]
        struct Named {
            #[prost(string, tag = "1")]
            name: String,
            #[prost(bytes = "vec", optional, tag = "9")]
            source_info: Option<Vec<u8>>,
        }
        let set = Set::decode(bytes).unwrap();
        assert!(set.file.iter().all(|file| file.source_info.is_none()));
        let mut names: Vec<String> = set.file.into_iter().map(|file| file.name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_second_run_changes_nothing() {
        let folder = Folder::new(&[("imu.proto", IMU), ("geo.proto", GEO)]);
        folder.compile(&["imu.proto"]).unwrap();
        let (text, fds) = (folder.read("demo.rs"), folder.fds());
        folder.compile(&["imu.proto"]).unwrap();
        assert_eq!((folder.read("demo.rs"), folder.fds()), (text, fds));
    }

    #[test]
    fn two_calls_do_not_collide() {
        let other = r#"syntax = "proto3"; package b; message B {}"#;
        let folder = Folder::new(&[("geo.proto", GEO), ("b.proto", other)]);
        folder.compile(&["geo.proto"]).unwrap();
        folder.compile(&["b.proto"]).unwrap();
        assert_eq!(folder.fds().len(), 2);
        assert_eq!(folder.read("geo.rs").matches("::Described for").count(), 1);
        assert_eq!(folder.read("b.rs").matches("::Described for").count(), 1);
    }

    #[test]
    fn names_can_be_changed() {
        let folder = Folder::new(&[("bare.proto", r#"syntax = "proto3"; message Bare { bytes b = 1; }"#)]);
        let config = folder.config().tamtam_path("::my::tamtam").default_package_filename("root").with_prost(
            |prost| {
                prost.bytes(["."]).prost_path("::my::prost");
            },
        );
        folder.compile_with(config, &["bare.proto"]).unwrap();
        let text = folder.read("root.rs");
        assert!(text.contains("impl ::my::tamtam::Described for Bare {"), "{text}");
        assert!(text.contains("bytes::Bytes"), "{text}");
    }

    #[test]
    fn extern_types_are_left_to_their_crate() {
        let folder = Folder::new(&[("imu.proto", IMU), ("geo.proto", GEO)]);
        let config = folder.config().with_prost(|prost| {
            prost.extern_path(".geo", "::geo");
        });
        folder.compile_with(config, &["imu.proto"]).unwrap();
        assert!(!folder.0.path().join("out/geo.rs").exists());
        assert!(folder.read("demo.rs").contains("::geo::Vec3"));
    }

    #[test]
    fn errors_say_where() {
        let folder = Folder::new(&[
            ("syntax.proto", "syntax = \"proto3\";\nmessage A {\n  int32 = 1;\n}\n"),
            ("name.proto", "syntax = \"proto3\";\nmessage A {\n  Missing m = 1;\n}\n"),
            ("import.proto", "syntax = \"proto3\";\nimport \"nowhere.proto\";\n"),
        ]);
        let text = |name: &str| format!("{:?}", folder.compile(&[name]).unwrap_err());
        assert!(text("missing.proto").starts_with("no such file: "), "{}", text("missing.proto"));
        assert!(text("missing.proto").ends_with("missing.proto"), "{}", text("missing.proto"));
        assert!(text("syntax.proto").starts_with("syntax.proto:3:"), "{}", text("syntax.proto"));
        assert!(text("name.proto").starts_with("name.proto:3:"), "{}", text("name.proto"));
        assert!(text("import.proto").starts_with("import.proto:2:"), "{}", text("import.proto"));
        assert!(text("import.proto").contains("nowhere.proto"), "{}", text("import.proto"));
        assert!(folder.fds().is_empty());
    }

    #[test]
    fn an_output_folder_has_to_exist() {
        let folder = Folder::new(&[("geo.proto", GEO)]);
        let config = Config::new().out_dir(folder.0.path().join("absent"));
        let error = folder.compile_with(config, &["geo.proto"]).unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error}");
    }
}
