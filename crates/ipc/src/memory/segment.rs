//! Segments: memory with a descriptor, so that another process can map it.
#![expect(unsafe_code, reason = "to map a file is to trust its size; the block proves it")]

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::shm;

use super::Region;
use crate::object::Kind;
use crate::wait::uninterrupted;
use crate::{Error, Object};

/// Memory with a descriptor, so that another process can map it: memfd_create(2) without a name, shm_open(3) with one. Its size is fixed.
///
/// ```
/// use tamtam_ipc::memory::Segment;
///
/// let segment = Segment::anonymous(4096)?;
/// let ours = segment.map()?;
/// // What another process does with the descriptor, once it has received it.
/// let theirs = Segment::attach(segment.into())?.map()?;
/// ours.write(100, b"hello");
/// let mut octets = [0; 5];
/// theirs.read(100, &mut octets);
/// assert_eq!(&octets, b"hello");
/// # Ok::<(), tamtam_ipc::Error>(())
/// ```
///
/// # The danger in a mapping, and what is done about it
///
/// A file can be made shorter while it is mapped. Who then touches a page behind the new end is killed by SIGBUS, whatever it checked
/// before. A segment without a name therefore is *sealed*: the kernel refuses for ever to make it shorter, for everybody, and
/// [`attach`](Self::attach) takes only descriptors that have this seal. Files of shm_open cannot be sealed. But who may open those for
/// writing is the same user (mode 600), who could as well send SIGKILL: that is accepted, and one more reason to prefer segments without
/// a name, which also are gone with their processes.
///
/// The same signal comes when memory has run out at the first touch of a page, in a container with a small `/dev/shm` above all. So all
/// pages are allocated when the segment is made, where it is an error that can be handled.
#[derive(Debug)]
pub struct Segment {
    descriptor: OwnedFd,
    len: usize,
}

impl Segment {
    /// Makes a segment of `len` octets without a name, all zero.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: not enough memory, no more descriptors, or a length of zero.
    pub fn anonymous(len: usize) -> Result<Self, Error> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Nobody wants to run it as a program; kernels before 6.3 do not know that it can be forbidden.
        let descriptor = match rustix::fs::memfd_create("tamtam", flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => rustix::fs::memfd_create("tamtam", flags),
            other => other,
        }
        .map_err(Error::system("memfd_create"))?;
        allocate(descriptor.as_fd(), len)?;
        rustix::fs::fcntl_add_seals(&descriptor, SealFlags::SHRINK | SealFlags::GROW)
            .map_err(Error::system("fcntl(F_ADD_SEALS)"))?;
        Ok(Self { descriptor, len })
    }

    /// Takes a descriptor that somebody else gave us.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not sealed against becoming shorter, or has no octets; [`Error::System`].
    pub fn attach(descriptor: OwnedFd) -> Result<Self, Error> {
        // What cannot be sealed (another kind of file) gives EINVAL, and is refused like what was not.
        let seals = rustix::fs::fcntl_get_seals(&descriptor).unwrap_or(SealFlags::empty());
        if !seals.contains(SealFlags::SHRINK) {
            return Err(Error::Corrupt("a segment that can be made shorter while it is mapped".into()));
        }
        Self::of_file(descriptor)
    }

    /// Makes a segment of `len` octets that others open by name, all zero, for this user only. The name is that of an
    /// [`Object`], which removes it: `/` and [`object::unique`](crate::object::unique).
    ///
    /// # Errors
    ///
    /// [`Error::System`]: the name exists, `/dev/shm` is missing or full, a length of zero. [`Error::Ticket`] if the name is not one of ours.
    pub fn create(name: &str, len: usize) -> Result<(Self, Object), Error> {
        let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
        let object = Object::new(Kind::SharedMemory, name)?;
        let descriptor = match shm::open(name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(descriptor) => descriptor,
            Err(error) => {
                // Not made by us, so not ours to remove.
                object.release();
                return Err(Error::system("shm_open")(error));
            }
        };
        allocate(descriptor.as_fd(), len)?;
        Ok((Self { descriptor, len }, object))
    }

    /// Opens a segment by its name.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: there is none, or it is another user's. [`Error::Corrupt`] if it has no octets (yet).
    pub fn open(name: &str, writable: bool) -> Result<Self, Error> {
        let access = if writable { shm::OFlags::RDWR } else { shm::OFlags::RDONLY };
        Self::of_file(shm::open(name, access, Mode::empty()).map_err(Error::system("shm_open"))?)
    }

    fn of_file(descriptor: OwnedFd) -> Result<Self, Error> {
        let size = rustix::fs::fstat(&descriptor).map_err(Error::system("fstat"))?.st_size;
        match usize::try_from(size) {
            Ok(len) if len > 0 => Ok(Self { descriptor, len }),
            _ => Err(Error::Corrupt("a segment without octets".into())),
        }
    }

    /// Opens the segment once more, for reading only: a descriptor that cannot be used to write. Takes `/proc`.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn reopen_read_only(&self) -> Result<Self, Error> {
        use std::os::fd::AsRawFd as _;
        let path = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let descriptor =
            rustix::fs::open(path, flags, Mode::empty()).map_err(Error::system("open(/proc/self/fd)"))?;
        Ok(Self { descriptor, len: self.len })
    }

    /// Forbids for ever to map it for writing; mappings that exist stay writable.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: it has a name (and cannot be sealed), somebody else sealed it, or the kernel is older than 5.1.
    pub fn seal_writing(&self) -> Result<(), Error> {
        rustix::fs::fcntl_add_seals(&self.descriptor, SealFlags::FUTURE_WRITE)
            .map_err(Error::system("fcntl(F_ADD_SEALS)"))
    }

    /// Returns how many octets it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no segment is empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Maps it for reading and writing. The mapping stays when the segment's descriptor is closed.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn map(&self) -> Result<Region, Error> {
        self.map_as(ProtFlags::READ | ProtFlags::WRITE)
    }

    /// Maps it for reading.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn map_read_only(&self) -> Result<Region, Error> {
        self.map_as(ProtFlags::READ)
    }

    fn map_as(&self, protection: ProtFlags) -> Result<Region, Error> {
        let call = Error::system("mmap");
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe {
            rustix::mm::mmap(ptr::null_mut(), self.len, protection, MapFlags::SHARED, &self.descriptor, 0)
        };
        let base = NonNull::new(base.map_err(&call)?).ok_or_else(|| call(Errno::NOMEM))?;
        // SAFETY: the mapping was just made with this length and protection, and is handed over. The file does not become shorter: it is
        // sealed, or has a name, and then it is this user's own doing (see the type's text).
        Ok(unsafe { Region::from_mapping(base, self.len, protection.contains(ProtFlags::WRITE)) })
    }
}

/// Lengths from here on are compared with the memory that is left; below, an allocation that fails does no harm.
const LARGE: usize = 16 << 20;

/// Gives a fresh file its size and its pages.
fn allocate(descriptor: BorrowedFd<'_>, len: usize) -> Result<(), Error> {
    // Memory without a limit of its own is given until there is none, and then the kernel kills somebody.
    if len >= LARGE && available().is_some_and(|available| len as u64 > available) {
        return Err(Error::system("fallocate")(Errno::NOMEM));
    }
    uninterrupted(|| rustix::fs::fallocate(descriptor, FallocateFlags::empty(), 0, len as u64))
        .map_err(Error::system("fallocate"))
}

/// Returns how much memory is left without hurting anybody, in octets: proc_meminfo(5).
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl From<Segment> for OwnedFd {
    fn from(segment: Segment) -> Self {
        segment.descriptor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::sync::atomic::Ordering;

    use crate::object::unique;

    #[test]
    fn nobody_can_make_a_segment_shorter_or_longer() {
        let segment = Segment::anonymous(5000).expect("made");
        for len in [0, 4096, 4999, 5001, 1 << 20] {
            assert_eq!(rustix::fs::ftruncate(&segment, len), Err(Errno::PERM), "{len}");
        }
        assert_eq!(segment.map().expect("mapped").len(), 5000);
    }

    #[test]
    fn what_can_shrink_is_refused() {
        let unsealed =
            rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("made");
        rustix::fs::ftruncate(&unsealed, 4096).expect("sized");
        assert!(matches!(Segment::attach(unsealed), Err(Error::Corrupt(_))));
        let (socket, _) = std::os::unix::net::UnixStream::pair().expect("a pair");
        assert!(matches!(Segment::attach(socket.into()), Err(Error::Corrupt(_))));
        let file = File::open("/proc/self/exe").expect("opened");
        assert!(matches!(Segment::attach(file.into()), Err(Error::Corrupt(_))));
    }

    #[test]
    fn an_empty_segment_is_refused() {
        assert!(matches!(Segment::anonymous(0), Err(Error::System { call: "fallocate", .. })));
        let empty =
            rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("made");
        rustix::fs::fcntl_add_seals(&empty, SealFlags::SHRINK).expect("sealed");
        assert!(matches!(Segment::attach(empty), Err(Error::Corrupt(_))));
    }

    #[test]
    fn a_length_that_no_memory_holds_is_an_error() {
        assert!(available().expect("proc_meminfo(5)") > 1 << 20);
        for len in [usize::MAX, isize::MAX.unsigned_abs(), 1 << 60, 1 << 50] {
            assert!(matches!(Segment::anonymous(len), Err(Error::System { call: "fallocate", .. })), "{len}");
        }
    }

    #[test]
    fn a_name_leads_to_the_same_memory_and_goes_with_its_object() {
        let name = format!("/{}", unique());
        let (segment, object) = Segment::create(&name, 100).expect("made");
        assert!(
            matches!(Segment::create(&name, 100), Err(Error::System { call: "shm_open", .. })),
            "made twice"
        );
        let other = Segment::open(&name, false)
            .expect("the refused one did not remove it")
            .map_read_only()
            .expect("mapped");
        segment.map().expect("mapped").word32(8).store(7, Ordering::Relaxed);
        assert_eq!(other.load32(8, Ordering::Relaxed), 7);
        drop(object);
        assert!(matches!(Segment::open(&name, false), Err(Error::System { call: "shm_open", .. })));
        assert_eq!(other.load32(8, Ordering::Relaxed), 7, "what is mapped stays");
    }

    #[test]
    fn readers_cannot_write_once_it_is_sealed() {
        let segment = Segment::anonymous(4096).expect("made");
        let reader = segment.reopen_read_only().expect("opened");
        assert!(matches!(reader.map(), Err(Error::System { call: "mmap", .. })));
        let ours = segment.map().expect("mapped");
        segment.seal_writing().expect("sealed");
        assert!(matches!(segment.map(), Err(Error::System { call: "mmap", .. })));
        ours.word32(0).store(1, Ordering::Relaxed);
        assert_eq!(reader.map_read_only().expect("mapped").load32(0, Ordering::Relaxed), 1);
    }
}
