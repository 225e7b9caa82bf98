// SPDX-License-Identifier: BSD-2-Clause-Patent
// A thread of its own, so that the loop of process.cpp need not know of it.
#include "sevsim/gdb_server.h"

#include "sevsim/gdb_packets.h"
#include "sevsim/gdb_proxy.h"
#include "sevsim/process.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <sys/socket.h>

namespace vestibule::sevsim {

namespace {

constexpr std::string_view interrupt = "\x03";

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    }
    return true;
}

/// Requests after which the machine runs.
bool is_to_run(std::string_view request) {
    return request.starts_with("vCont;")
           || (!request.empty() && std::string_view{"cCsS"}.contains(request.front()));
}

/// What QEMU says once it has stopped, or ended.
bool is_stop(std::string_view reply) {
    return reply.size() > 2 && std::string_view{"TSWX"}.contains(reply.front());
}

/// The thread that a stop names.
std::string thread_of(std::string_view stop) {
    constexpr std::string_view name = "thread:";
    const std::size_t at            = stop.find(name);
    if (at == std::string_view::npos) {
        return {};
    }
    const std::string_view rest = stop.substr(at + name.size());
    return std::string{rest.substr(0, rest.find(';'))};
}

/// One side of the conversation.
class Side {
  public:
    explicit Side(Descriptor socket) : socket_{std::move(socket)} {}

    int fd() const { return socket_.get(); }

    bool is_open() const { return bool{socket_}; }

    void close() { socket_.close(); }

    void send_packet(std::string_view body) {
        last_ = gdb_packet(body);
        send(last_);
    }

    void send(std::string_view bytes) {
        if (is_open() && !send_all(fd(), bytes)) {
            close();
        }
    }

    /// What has come, with damaged packets and lost answers dealt with. Empty too where it is
    /// closed.
    std::vector<GdbItem> receive() {
        std::array<char, 4096> bytes;
        const ssize_t got = read(fd(), bytes.data(), bytes.size());
        if (got < 0 && errno == EINTR) {
            return {};
        }
        if (got <= 0) {
            close();
            return {};
        }
        std::vector<GdbItem> items;
        for (GdbItem& item : reader_.take({bytes.data(), static_cast<std::size_t>(got)})) {
            using enum GdbItem::Kind;
            switch (item.kind) {
            case acknowledgement: break;
            case again: send(last_); break;
            case damaged: send("-"); break;
            case packet:
                send("+");
                items.push_back(std::move(item));
                break;
            case interrupt: items.push_back(std::move(item)); break;
            }
        }
        return items;
    }

  private:
    Descriptor socket_;
    GdbReader reader_;
    std::string last_;
};

class Conversation {
  public:
    Conversation(Descriptor listening, Descriptor qemu, Descriptor ending, u64 monitor)
        : listening_{std::move(listening)}, ending_{std::move(ending)}, qemu_{std::move(qemu)},
          proxy_{[this](std::string_view request) { return ask(request); }, monitor} {}

    void run() {
        while (qemu_.is_open() && !ended_) {
            if (gdb_.is_open()) {
                pass_on();
            } else {
                wait_for_gdb();
            }
        }
    }

  private:
    [[nodiscard]] std::array<pollfd, 3> to_poll(int gdb) const;
    bool wait(std::array<pollfd, 3>& polled, int milliseconds = -1);
    void wait_for_gdb();
    void pass_on();
    void from_gdb(const GdbItem& item);
    void from_qemu(const GdbItem& item);
    std::optional<std::string> ask(std::string_view request);
    std::optional<std::string> next_of_qemu(int milliseconds = -1);
    std::string back_to_guest(const std::string& stop);
    std::string step_through_monitor(std::string stop);

    Descriptor listening_;
    Descriptor ending_;
    Side gdb_{Descriptor{}};
    Side qemu_;
    GdbProxy proxy_;
    bool ended_   = false;
    bool running_ = false; // the machine is, as far as QEMU's stub was told
    std::string step_;     // gdb's request, where it is for one instruction
    std::optional<u64> step_from_;
};

/// sevsim's end; gdb, or where it comes to, or nobody (-1); QEMU.
std::array<pollfd, 3> Conversation::to_poll(int gdb) const {
    return {
        pollfd{.fd = ending_.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = gdb,           .events = POLLIN, .revents = 0},
        pollfd{.fd = qemu_.fd(),    .events = POLLIN, .revents = 0},
    };
}

/// Waits for one of them. False after so many milliseconds too; negative: it waits for ever.
bool Conversation::wait(std::array<pollfd, 3>& polled, int milliseconds) {
    for (int ready = -1; ready < 0;) {
        ready = poll(polled.data(), polled.size(), milliseconds);
        if (ready == 0) {
            return false;
        }
        if (ready > 0 || errno == EINTR) {
            continue;
        }
        ended_ = true;
        return false;
    }
    // QEMU's last words are gdb's yet: it kills the machine and hears of it.
    ended_ |= polled[0].revents != 0 && polled[2].revents == 0;
    return !ended_;
}

void Conversation::wait_for_gdb() {
    auto polled = to_poll(listening_.get());
    if (!wait(polled)) {
        return;
    }
    if (polled[2].revents != 0) {
        for (const GdbItem& item : qemu_.receive()) {
            from_qemu(item);
        }
    } else if (polled[1].revents != 0) {
        gdb_         = Side{Descriptor{accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)}};
        const int on = 1;
        setsockopt(gdb_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        proxy_.start_again();
        // QEMU's stub stops the machine for whoever connects to it. To it we have never gone.
        if (gdb_.is_open() && running_) {
            constexpr int patience = 2'000; // milliseconds
            qemu_.send(interrupt);
            if (auto stop = next_of_qemu(patience)) {
                step_through_monitor(std::move(*stop));
            }
        }
    }
}

void Conversation::pass_on() {
    auto polled = to_poll(gdb_.fd());
    if (!wait(polled)) {
        return;
    }
    if (polled[2].revents != 0) {
        for (const GdbItem& item : qemu_.receive()) {
            from_qemu(item);
        }
    }
    if (polled[1].revents != 0) {
        for (const GdbItem& item : gdb_.receive()) {
            from_gdb(item);
        }
    }
}

void Conversation::from_gdb(const GdbItem& item) {
    if (item.kind == GdbItem::Kind::interrupt) {
        qemu_.send(interrupt);
        return;
    }
    if (const auto answer = proxy_.answer(item.body)) {
        gdb_.send_packet(*answer);
        return;
    }
    const std::string_view body = item.body;
    step_.clear();
    if (body.starts_with('D')) {
        // To QEMU's stub that would be for good: it has no process any more. gdb may come again.
        gdb_.send_packet("OK");
        qemu_.send_packet("vCont;c");
        running_ = true;
        return;
    }
    if (body.starts_with('s') || body.starts_with("vCont;s")) {
        step_      = body;
        step_from_ = proxy_.place() == GdbProxy::Place::guest ? proxy_.rip() : std::nullopt;
    }
    running_ |= is_to_run(body);
    qemu_.send_packet(body);
}

void Conversation::from_qemu(const GdbItem& item) {
    if (item.kind != GdbItem::Kind::packet) {
        return;
    }
    const bool has_stopped = running_ && is_stop(item.body);
    running_ &= !is_stop(item.body);
    gdb_.send_packet(has_stopped ? step_through_monitor(item.body) : item.body);
}

/// The vCPU that has stopped is in the monitor: lets it run to where it enters the guest, and stops
/// it there. `stop` is what QEMU has said of it, and says now.
std::string Conversation::back_to_guest(const std::string& stop) {
    constexpr int patience     = 300; // milliseconds: it may be asleep
    constexpr unsigned most    = 256; // entries of other vCPUs meanwhile
    const std::string at_vmrun = fmt::format("0,{:x},1", proxy_.vmrun());
    const std::string thread   = thread_of(stop);
    std::optional<std::string> next;
    for (unsigned n = 0; n < most; ++n) {
        if (ask("Z" + at_vmrun) != "OK") {
            break;
        }
        qemu_.send_packet("vCont;c");
        next = next_of_qemu(patience);
        if (!next) {
            qemu_.send(interrupt);
            next = next_of_qemu();
        }
        proxy_.forget();
        ask("z" + at_vmrun);
        if (!next || proxy_.rip() != proxy_.vmrun()) {
            break; // a breakpoint of gdb's, or the time is up
        }
        const std::string arrived = thread_of(*next);
        next                      = ask(fmt::format("vCont;s:{}", arrived));
        proxy_.forget();
        if (arrived == thread) {
            break;
        }
    }
    return next.value_or(stop);
}

/// What of a stop gdb is told. One instruction of the guest's may be many of the monitor's, which
/// then executes it in the guest's place, gives it to the guest as #VC, or has the guest execute it
/// once again; and Ctrl-C may come anywhere.
std::string Conversation::step_through_monitor(std::string stop) {
    constexpr unsigned most_entries = 64;
    const std::string signal        = stop.substr(0, 3);
    const bool stepping             = !step_.empty();
    const bool interrupted          = signal == "T02";
    proxy_.forget();
    if (!stepping && !interrupted) {
        return stop; // at a breakpoint, which is where it is
    }
    bool through_monitor = false;
    for (unsigned n = 0; n < most_entries && is_stop(stop) && stop.front() == 'T'; ++n) {
        const GdbProxy::Place place = proxy_.place();
        if (place == GdbProxy::Place::monitor) {
            through_monitor = true;
            stop            = back_to_guest(stop);
        } else if (place == GdbProxy::Place::guest && stepping && through_monitor
                   && proxy_.rip() == step_from_) {
            through_monitor = false;
            stop            = ask(step_).value_or(stop);
            proxy_.forget();
        } else {
            break;
        }
    }
    return interrupted && stop.starts_with('T') ? signal + stop.substr(signal.size()) : stop;
}

std::optional<std::string> Conversation::ask(std::string_view request) {
    qemu_.send_packet(request);
    return next_of_qemu();
}

/// Its next packet.
std::optional<std::string> Conversation::next_of_qemu(int milliseconds) {
    while (qemu_.is_open()) {
        auto polled = to_poll(-1);
        if (!wait(polled, milliseconds)) {
            break;
        }
        for (GdbItem& item : qemu_.receive()) {
            if (item.kind == GdbItem::Kind::packet) {
                running_ &= !is_stop(item.body);
                return std::move(item.body);
            }
        }
    }
    return std::nullopt;
}

std::expected<Descriptor, std::string> listen_at(u16 port) {
    Descriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int on = 1;
    sockaddr_in address{};
    address.sin_family      = AF_INET;
    address.sin_port        = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!socket || setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0
        || bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0
        || listen(socket.get(), 1) != 0) {
        return std::unexpected(fmt::format("port {} of 127.0.0.1 for gdb (see --gdb): {}", port,
                                           std::strerror(errno)));
    }
    return socket;
}

} // namespace

std::expected<std::unique_ptr<GdbServer>, std::string> GdbServer::start(u16 port, u64 monitor) {
    auto listening = listen_at(port);
    auto qemu      = Pipe::open_both_ways();
    auto end       = Pipe::open();
    if (!listening || !qemu || !end) {
        return std::unexpected(!listening ? listening.error() : !qemu ? qemu.error() : end.error());
    }
    return std::unique_ptr<GdbServer>{
        new GdbServer{std::move(*listening), std::move(qemu->read), std::move(qemu->write),
                      std::move(end->read), std::move(end->write), monitor}
    };
}

GdbServer::GdbServer(Descriptor listening, Descriptor qemu, Descriptor qemu_end, Descriptor ending,
                     Descriptor end, u64 monitor)
    : qemu_end_{std::move(qemu_end)}, end_{std::move(end)} {
    // Signals are for the thread that waits for them.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    thread_ = std::thread{[conversation = std::make_unique<Conversation>(
                               std::move(listening), std::move(qemu), std::move(ending), monitor)] {
        conversation->run();
    }};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

GdbServer::~GdbServer() {
    end_.close();
    thread_.join();
}

} // namespace vestibule::sevsim
