// SPDX-License-Identifier: BSD-2-Clause-Patent
// The first process of a Linux that fetches an attestation report as any program would, through
// configfs-tsm (Linux, Documentation/ABI/testing/configfs-tsm), and sends it out by a virtio
// network card: report and table of certificates, as qemu-tests/report_check.cpp reads them.
// Statically linked against the C library; no C++ library.
#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

int failures = 0;

/// True where `good`, which is said too.
bool check(bool good, const char* what) {
    std::printf("report: %s: %s\n", what, good ? "ok" : std::strerror(errno));
    failures += good ? 0 : 1;
    return good;
}

/// What sev-guest wants before it: configfs-tsm (tsm, since Linux 6.17 tsm_report), and gcm(aes),
/// which is a library's of the kernel since 6.13. Which of them are built in is the distribution's
/// choice, so those that are not there are passed over.
void load_modules() {
    constexpr const char* names[] = {"configfs",      "tsm",      "tsm_report",   "gf128mul",
                                     "ghash-generic", "ctr",      "crypto_null",  "gcm",
                                     "sev-guest",     "failover", "net_failover", "virtio_net"};
    for (const char* name : names) {
        char path[64];
        std::snprintf(path, sizeof path, "/modules/%s.ko", name);
        const int module = open(path, O_RDONLY);
        if (module >= 0) {
            check(syscall(SYS_finit_module, module, "", 0) == 0, path);
            close(module);
        }
    }
}

constexpr std::size_t most = 65536;

/// All of a file of configfs, which is made when it is read first; 0 where there is none.
std::size_t read_file(const char* path, char* to) {
    const int file   = open(path, O_RDONLY);
    std::size_t size = 0;
    for (ssize_t got = 1; file >= 0 && got > 0 && size < most;) {
        got = read(file, to + size, most - size);
        size += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    close(file);
    return size;
}

/// A report over the 64 bytes 0 to 63, and the certificates to it, one behind the other.
std::size_t fetch_report(char* to) {
    constexpr char entry[] = "/config/tsm/report/vestibule";
    mkdir("/config", 0755);
    if (!check(mount("none", "/config", "configfs", 0, nullptr) == 0, "configfs")
        || !check(mkdir(entry, 0755) == 0, entry)) {
        return 0;
    }
    char path[64];
    char data[64];
    for (unsigned n = 0; n < sizeof data; ++n) {
        data[n] = static_cast<char>(n);
    }
    std::snprintf(path, sizeof path, "%s/inblob", entry);
    const int request = open(path, O_WRONLY);
    check(write(request, data, sizeof data) == sizeof data, "inblob");
    close(request);
    std::snprintf(path, sizeof path, "%s/provider", entry);
    const std::size_t name = read_file(path, to);
    std::printf("report: provider: %.*s", static_cast<int>(name), to);
    std::snprintf(path, sizeof path, "%s/outblob", entry);
    const std::size_t report = read_file(path, to);
    std::snprintf(path, sizeof path, "%s/auxblob", entry);
    const std::size_t table = read_file(path, to + report);
    std::printf("report: %zu bytes and %zu of certificates\n", report, table);
    check(report != 0 && table != 0, "outblob and auxblob");
    return report + table;
}

/// Gives the network card the address that QEMU's user network expects of it.
void set_up_network() {
    const int socket_of = socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "eth0");
    auto& address      = reinterpret_cast<sockaddr_in&>(request.ifr_addr);
    address.sin_family = AF_INET;
    inet_pton(AF_INET, "10.0.2.15", &address.sin_addr);
    check(ioctl(socket_of, SIOCSIFADDR, &request) == 0, "address");
    inet_pton(AF_INET, "255.255.255.0", &address.sin_addr);
    check(ioctl(socket_of, SIOCSIFNETMASK, &request) == 0, "netmask");
    check(ioctl(socket_of, SIOCGIFFLAGS, &request) == 0, "flags");
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    check(ioctl(socket_of, SIOCSIFFLAGS, &request) == 0, "network is up");
    close(socket_of);
}

/// To port 7777 of a host that there is not: QEMU takes it (guestfwd). What comes back is what went
/// out, where it is to be seen that the card receives.
void send_out(const char* bytes, std::size_t size) {
    sockaddr_in host{};
    host.sin_family = AF_INET;
    host.sin_port   = htons(7777);
    inet_pton(AF_INET, "10.0.2.100", &host.sin_addr);
    const int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (!check(connect(connection, reinterpret_cast<sockaddr*>(&host), sizeof host) == 0,
               "connection")) {
        return;
    }
    std::size_t sent = 0;
    for (ssize_t now = 1; now > 0 && sent < size;) {
        now = write(connection, bytes + sent, size - sent);
        sent += now > 0 ? static_cast<std::size_t>(now) : 0;
    }
    check(sent == size, "sent");
    shutdown(connection, SHUT_WR);
    // What is acknowledged has arrived at QEMU.
    for (int left = 1; left != 0 && ioctl(connection, TIOCOUTQ, &left) == 0;) {
        usleep(10'000);
    }
    usleep(200'000);
    close(connection);
}

} // namespace

int main() {
    mkdir("/dev", 0755);
    mount("dev", "/dev", "devtmpfs", 0, nullptr);
    const int console = open("/dev/console", O_RDWR);
    dup2(console, STDIN_FILENO);
    dup2(console, STDOUT_FILENO);
    dup2(console, STDERR_FILENO);
    std::setvbuf(stdout, nullptr, _IONBF, 0);
    load_modules();
    static char bytes[2 * most];
    const std::size_t size = fetch_report(bytes);
    if (size != 0) {
        set_up_network();
        send_out(bytes, size);
    }
    std::printf("report: %d failed\n", failures);
    reboot(RB_AUTOBOOT);
    return 1;
}
