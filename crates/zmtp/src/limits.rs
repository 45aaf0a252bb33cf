//! How much a peer can make us hold.

/// Bounds on what a peer may send before it is cut off.
///
/// # What a stranger can make one connection hold
///
/// Nothing is reserved for a length that was only claimed: memory is taken as octets arrive. At most:
///
/// * until a WebSocket is open: 8 KiB of the HTTP request or response;
/// * until the handshake is done: [`handshake_bytes_max`](Self::handshake_bytes_max) of input, the same once more for
///   the metadata that is kept, and 24 + 32 octets of bookkeeping for each of
///   [`metadata_properties_max`](Self::metadata_properties_max) properties: with the defaults 132 KiB;
/// * for one frame: [`Config::max_message_size`](crate::Config::max_message_size), or for a command
///   [`command_bytes_max`](Self::command_bytes_max);
/// * for one unfinished multipart message: [`frames_max`](Self::frames_max) times 72 octets (with the default 72 MiB),
///   and the bodies longer than [`FRAME_INLINE_MAX`](crate::FRAME_INLINE_MAX), each at most `max_message_size`;
/// * for answers that were not fetched by [`Connection::transmit`](crate::Connection::transmit):
///   [`control_bytes_max`](Self::control_bytes_max).
///
/// `max_message_size` is unlimited by default, as the applications of libzmq expect. Set it, and
/// lower `frames_max`, where strangers may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of handshake commands, all together. Default: [`Self::HANDSHAKE_BYTES_MAX`].
    pub handshake_bytes_max: usize,
    /// Metadata properties in the handshake. Default: [`Self::METADATA_PROPERTIES_MAX`].
    pub metadata_properties_max: usize,
    /// Octets of the identity a peer announces. Default: [`Self::IDENTITY_LEN_MAX`].
    pub identity_len_max: usize,
    /// Frames in one message. Default: [`Self::FRAMES_MAX`].
    pub frames_max: usize,
    /// Octets of one command in traffic: bounds the topic of a SUBSCRIBE. Default: [`Self::COMMAND_BYTES_MAX`].
    pub command_bytes_max: u64,
    /// Octets of unfetched answers beyond which PINGs are answered no more: only a peer that sends without reading
    /// gets there. Default: [`Self::CONTROL_BYTES_MAX`].
    pub control_bytes_max: usize,
}

impl Limits {
    /// 64 KiB.
    pub const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;
    /// 64 properties.
    pub const METADATA_PROPERTIES_MAX: usize = 64;
    /// 255 octets: all that 37/ZMTP allows.
    pub const IDENTITY_LEN_MAX: usize = 255;
    /// 1,048,576 frames.
    pub const FRAMES_MAX: usize = 1 << 20;
    /// 2 MiB.
    pub const COMMAND_BYTES_MAX: u64 = 2 * 1024 * 1024;
    /// 4 KiB: some 200 PONGs of the greatest length.
    pub const CONTROL_BYTES_MAX: usize = 4 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_bytes_max: Self::HANDSHAKE_BYTES_MAX,
            metadata_properties_max: Self::METADATA_PROPERTIES_MAX,
            identity_len_max: Self::IDENTITY_LEN_MAX,
            frames_max: Self::FRAMES_MAX,
            command_bytes_max: Self::COMMAND_BYTES_MAX,
            control_bytes_max: Self::CONTROL_BYTES_MAX,
        }
    }
}
