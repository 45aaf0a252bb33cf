//! The command line of what looks at the graph.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::{complete, help};

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum LookCommand {
    /// List the topics, with -v also who publishes and subscribes
    #[command(after_long_help = help::after(help::LIST))]
    List(ListArgs),
    /// Show all that is known of a topic, and what is wrong with it
    #[command(after_long_help = help::after(help::INFO))]
    Info(TopicArgs),
    /// Print a topic's type
    #[command(after_long_help = help::after(help::TYPE))]
    Type(TopicArgs),
    /// List the topics and services with a type
    #[command(after_long_help = help::after(help::FIND))]
    Find(FindArgs),
    /// List the nodes, with -v also what they do
    #[command(after_long_help = help::after(help::NODES))]
    Nodes(NodesArgs),
    /// List the services, with -v also where they are
    #[command(after_long_help = help::after(help::SERVICES))]
    Services(ServicesArgs),
    /// Draw who speaks with whom
    #[command(after_long_help = help::after(help::GRAPH))]
    Graph(GraphArgs),
    /// Show, fetch and compare what messages look like
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Look for what keeps nodes from finding and understanding each other
    #[command(after_long_help = help::after(help::DOCTOR))]
    Doctor,
}

/// `tamtam list`
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only topics with this in their name; with * and ? the whole name has to be so
    #[arg(add = complete::topics())]
    pub(crate) pattern: Option<String>,
}

/// A topic.
#[derive(Debug, Args)]
pub(crate) struct TopicArgs {
    /// The topic's name; the slash in front may be left out
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
}

/// `tamtam find`
#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// The type's full name, or its last part
    #[arg(value_name = "TYPE", add = complete::types())]
    pub(crate) type_name: String,
}

/// `tamtam nodes`
#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    /// Only nodes with this in their name; with * and ? the whole name has to be so
    #[arg(add = complete::nodes())]
    pub(crate) pattern: Option<String>,
}

/// `tamtam services`
#[derive(Debug, Args)]
pub(crate) struct ServicesArgs {
    /// Only services with this in their name; with * and ? the whole name has to be so
    #[arg(add = complete::services())]
    pub(crate) pattern: Option<String>,
}

/// `tamtam graph`
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// How to draw it
    #[arg(long, short, value_enum, default_value_t = GraphFormat::Text)]
    pub(crate) format: GraphFormat,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// One line a topic: publishing nodes → topic → subscribing nodes
    Text,
    /// For Graphviz
    Dot,
    /// For Mermaid, as in Markdown
    Mermaid,
    /// One object a line: nodes, and what they publish, subscribe to and serve
    Json,
}

/// `tamtam schema`
#[derive(Debug, Subcommand)]
#[command(after_long_help = help::after(help::SCHEMA))]
pub(crate) enum SchemaCommand {
    /// Print what the messages of a topic, or of a type that is in use, look like
    #[command(after_long_help = help::after(help::SCHEMA_SHOW))]
    Show(ShowArgs),
    /// Write a topic's descriptors to a file, as protoc's --descriptor_set_out does
    #[command(after_long_help = help::after(help::SCHEMA_PULL))]
    Pull(PullArgs),
    /// Compare what A writes with what a reader of B expects; exit 5 if that does not fit
    #[command(after_long_help = help::after(help::SCHEMA_DIFF))]
    Diff(DiffArgs),
    /// Tell whether a reader of a type would understand a topic; exit 5 if not
    #[command(after_long_help = help::after(help::SCHEMA_CHECK))]
    Check(CheckArgs),
}

/// `tamtam schema show`
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A topic, or the full name or last part of a type
    #[arg(value_name = "TOPIC|TYPE", add = complete::topics_and_types())]
    pub(crate) what: String,
    /// How to print it
    #[arg(long, short, value_enum, default_value_t = SchemaFormat::Proto)]
    pub(crate) format: SchemaFormat,
}

/// How a schema is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFormat {
    /// As in a .proto file
    Proto,
    /// One object: type, id, and the descriptors
    Json,
    /// The encoded descriptor set; not to a terminal
    Fds,
}

/// `tamtam schema pull`
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// The file to write
    #[arg(long, short, value_name = "FILE.fds")]
    pub(crate) output: PathBuf,
}

/// `tamtam schema diff`
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The writer: a topic, FILE.proto:TYPE or FILE.fds:TYPE
    #[arg(value_name = "A", add = complete::topics())]
    pub(crate) writer: String,
    /// The reader: a topic, FILE.proto:TYPE or FILE.fds:TYPE
    #[arg(value_name = "B", add = complete::topics())]
    pub(crate) reader: String,
    #[command(flatten)]
    pub(crate) imports: ImportArgs,
}

/// `tamtam schema check`
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// The reader's type: FILE.proto:TYPE or FILE.fds:TYPE
    #[arg(value_name = "FILE:TYPE")]
    pub(crate) reader: String,
    #[command(flatten)]
    pub(crate) imports: ImportArgs,
}

/// Where imports of .proto files are.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Folder for imports of .proto files (repeatable)
    #[arg(long, short = 'I', value_name = "FOLDER")]
    pub(crate) proto_path: Vec<PathBuf>,
}
