// SPDX-License-Identifier: BSD-2-Clause-Patent
// The first process of the Linux that the tests boot (sevsim run --kernel): says that memory
// encryption is on, sees that time passes, reads and writes a disk, executes CPUID in user mode,
// and ends the machine. Statically linked against the C library; no C++ library.
//
// Its argument (what stands behind "--" on the kernel's command line) is how to end: "reboot",
// "poweroff" or "panic".
#include <cpuid.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr int block = 4096;
alignas(block) char buffer[block];

int failures = 0;

void check(bool good, const char* what) {
    std::printf("init: %s: %s\n", what, good ? "ok" : "FAILED");
    failures += good ? 0 : 1;
}

/// Repeats what the kernel has said about memory encryption, its VMPL, its processors and their
/// local APICs.
void say_features() {
    constexpr const char* wanted[] = {"Memory Encryption Features active", "smp: Brought up",
                                      "x2apic enabled", "SNP running at VMPL"};
    const int log                  = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
    static char line[8192];
    bool said = false;
    for (;;) {
        const ssize_t got = read(log, line, sizeof line - 1);
        if (got <= 0) {
            break;
        }
        line[got] = '\0';
        for (const char* what : wanted) {
            if (const char* found = std::strstr(line, what); found != nullptr) {
                std::printf("init: kernel log: %.*s\n", static_cast<int>(std::strcspn(found, "\n")),
                            found);
                said |= what == wanted[0];
            }
        }
    }
    check(said, "memory encryption");
    close(log);
}

double seconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Sleeping needs the timer's interrupt.
void use_timer() {
    const double before = seconds();
    constexpr int naps  = 5;
    for (int n = 0; n < naps; ++n) {
        usleep(20'000);
    }
    const double slept = seconds() - before;
    check(slept >= 0.1 && slept < 20, "timer");
}

void load_modules() {
    constexpr const char* names[] = {"virtio_ring",           "virtio",     "virtio_pci_legacy_dev",
                                     "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"};
    for (const char* name : names) {
        char path[64];
        std::snprintf(path, sizeof path, "/modules/%s.ko", name);
        const int module = open(path, O_RDONLY);
        if (module < 0 || syscall(SYS_finit_module, module, "", 0) != 0) {
            std::perror(path);
        }
        close(module);
    }
}

/// The disk's first block begins with a greeting; what is written goes to the second one, and comes
/// back. Past the cache, so that the device moves the bytes.
void use_disk() {
    constexpr char greeting[] = "disk for sevsim\n";
    constexpr char written[]  = "written by the guest\n";
    const int disk            = open("/dev/vda", O_RDWR | O_DIRECT | O_SYNC);
    if (disk < 0) {
        std::printf("init: no disk\n");
        return;
    }
    const bool read_back = pread(disk, buffer, block, 0) == block
                           && std::memcmp(buffer, greeting, sizeof greeting - 1) == 0;
    check(read_back, "disk read");
    std::memset(buffer, 0, block);
    std::memcpy(buffer, written, sizeof written);
    const ssize_t put = pwrite(disk, buffer, block, block);
    std::memset(buffer, 0xFF, block);
    const ssize_t got = pread(disk, buffer, block, block);
    const bool same   = std::memcmp(buffer, written, sizeof written) == 0;
    check(put == block && got == block && same, "disk write");
    if (!same) {
        std::printf("init: wrote %zd bytes, read %zd, which begin with", put, got);
        for (int n = 0; n < 16; ++n) {
            std::printf(" %02x", static_cast<unsigned char>(buffer[n]));
        }
        std::printf(" and end with %02x\n", static_cast<unsigned char>(buffer[block - 1]));
    }
    close(disk);
}

/// Whether there is an address above what 4-level paging reaches, of which an answer comes only to
/// who asks for one (Linux, Documentation/x86/x86_64/5level-paging.rst).
void use_high_address() {
    auto* const hint = reinterpret_cast<void*>(1ul << 50);
    void* const mapped =
        mmap(hint, block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        check(false, "memory mapping");
        return;
    }
    std::memset(mapped, 1, block);
    std::printf("init: address space: %s\n",
                reinterpret_cast<unsigned long>(mapped) >> 47 != 0 ? "5 levels" : "4 levels");
}

/// A line of /proc/meminfo, in MiB; 0 where there is none.
long memory_info(const char* line) {
    static char text[8192];
    const int info    = open("/proc/meminfo", O_RDONLY);
    const ssize_t got = read(info, text, sizeof text - 1);
    close(info);
    text[got > 0 ? got : 0] = '\0';
    const char* const found = std::strstr(text, line);
    return found != nullptr ? std::strtol(found + std::strlen(line), nullptr, 10) >> 10 : 0;
}

/// How much of its memory the kernel has found.
void say_memory() {
    mkdir("/proc", 0555);
    mount("proc", "/proc", "proc", 0, nullptr);
    std::printf("init: MiB of memory: %ld\n", memory_info("MemTotal:"));
}

/// Where RAM is not all accepted, memory is used until some more of it is, and keeps what is
/// written. How much that takes depends on where the kernel was put and on the free memory that it
/// holds back: to use a fixed amount would be to run out of memory at times.
void use_unaccepted() {
    const long before = memory_info("Unaccepted:");
    if (before == 0) {
        return;
    }
    constexpr size_t step  = 4096 / sizeof(unsigned long);
    constexpr size_t chunk = (size_t{4} << 20) / sizeof(unsigned long);
    constexpr long enough  = 16;
    const auto size        = static_cast<size_t>(memory_info("MemFree:")) << 20;
    auto* const mapped     = static_cast<unsigned long*>(
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (mapped == MAP_FAILED) {
        check(false, "mapping of memory to be accepted");
        return;
    }
    size_t used = 0;
    long after  = before;
    while (used + chunk <= size / sizeof *mapped && after > before - enough) {
        for (const size_t end = used + chunk; used < end; used += step) {
            mapped[used] = used * 0x9E37'79B9'7F4A'7C15;
        }
        after = memory_info("Unaccepted:");
    }
    size_t lost = 0;
    for (size_t n = 0; n < used; n += step) {
        lost += mapped[n] == n * 0x9E37'79B9'7F4A'7C15 ? 0 : 1;
    }
    std::printf("init: MiB not accepted: %ld, then %ld\n", before, after);
    check(lost == 0 && after < before, "memory accepted when it is needed");
    munmap(mapped, size);
}

/// A #VC from user mode, but of a plain SEV guest: it is told of SEV, and where the C-bit is.
void use_cpuid() {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    __cpuid(0x8000001F, eax, ebx, ecx, edx);
    check((eax & 0x2) != 0 && (ebx & 0x3F) != 0 && ecx != 0, "CPUID in user mode");
}

} // namespace

int main(int count, char** arguments) {
    mkdir("/dev", 0755);
    mount("dev", "/dev", "devtmpfs", 0, nullptr);
    const int console = open("/dev/console", O_RDWR);
    dup2(console, STDIN_FILENO);
    dup2(console, STDOUT_FILENO);
    dup2(console, STDERR_FILENO);
    std::setvbuf(stdout, nullptr, _IONBF, 0);
    std::printf("init: user space\n");
    say_features();
    use_timer();
    use_cpuid();
    use_high_address();
    say_memory();
    use_unaccepted();
    load_modules();
    use_disk();
    std::printf("init: online processors: %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
    std::printf("init: %d failed\n", failures);
    sync();
    const char* const how = count > 1 ? arguments[1] : "poweroff";
    if (std::strcmp(how, "panic") == 0) {
        return 1; // whoever ends the first process ends the kernel
    }
    reboot(std::strcmp(how, "reboot") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
    return 1;
}
