// SPDX-License-Identifier: BSD-2-Clause-Patent
// See run.h. The calling thread waits for signals, time and the keyboard; vCPUs' threads serve
// exits under one lock.
#include "launcher/run.h"

#include "kvm/call_text.h"
#include "launcher/last_words.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <thread>
#include <unistd.h>

namespace vestibule::launcher {

namespace {
using Clock = std::chrono::steady_clock;

class Runner {
  public:
    Runner(Calls& calls, Guest& guest, const RunOptions& options)
        : calls_(calls), guest_(guest), options_(options), ended_(eventfd(0, EFD_CLOEXEC)),
          devices_(
              options.memory, [this](u8 byte) { put(byte); },
              [this](bool level) { interrupt(level); }) {}

    Runner(const Runner&)            = delete;
    Runner& operator=(const Runner&) = delete;

    ~Runner() { close(ended_); }

    RunResult run() {
        // Signals are for the calling thread; this one only gets vCPUs out of KVM_RUN.
        struct sigaction nothing{};
        nothing.sa_handler = [](int) {};
        sigaction(SIGUSR1, &nothing, nullptr);
        sigset_t ours;
        sigset_t before;
        sigemptyset(&ours);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            sigaddset(&ours, signal);
        }
        pthread_sigmask(SIG_BLOCK, &ours, &before);
        std::vector<std::thread> threads;
        threads.reserve(guest_.vcpus().size());
        for (u32 n = 0; n < guest_.vcpus().size(); ++n) {
            threads.emplace_back([this, n] { serve(n); });
        }
        wait(signalfd(-1, &ours, SFD_CLOEXEC));
        for (u32 n = 0; n < threads.size(); ++n) {
            // A signal between the look at the flag and KVM_RUN would be lost without it.
            __atomic_store_n(&guest_.vcpus()[n].run->immediate_exit, 1, __ATOMIC_SEQ_CST);
            pthread_kill(threads[n].native_handle(), SIGUSR1);
            threads[n].join();
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return std::move(result_);
    }

  private:
    void wait(int signals) {
        const auto deadline = Clock::now() + options_.timeout;
        pollfd polled[]     = {
            {.fd = ended_,                                .events = POLLIN, .revents = 0},
            {.fd = signals,                               .events = POLLIN, .revents = 0},
            {.fd = options_.keyboard ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0},
        };
        while (!stopped()) {
            int left = -1;
            if (options_.timeout.count() != 0) {
                left = static_cast<int>(std::max<i64>(
                    0,
                    std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count()));
            }
            if (poll(polled, std::size(polled), left) == 0) {
                const std::lock_guard lock(mutex_);
                end(End::Kind::timed_out, 0,
                    fmt::format("no end within {} s, so it was stopped (--timeout)",
                                options_.timeout.count()));
            }
            if (signalfd_siginfo info{};
                polled[1].revents != 0 && read(signals, &info, sizeof(info)) == sizeof(info)) {
                const std::lock_guard lock(mutex_);
                const char* const name = sigabbrev_np(static_cast<int>(info.ssi_signo));
                end(End::Kind::interrupted, info.ssi_signo,
                    fmt::format("interrupted by SIG{}", name != nullptr ? name : "?"));
            }
            if (polled[2].revents != 0) {
                char typed[256];
                const auto count = read(STDIN_FILENO, typed, sizeof(typed));
                if (count <= 0) {
                    polled[2].fd = -1; // nothing more will come
                } else {
                    const std::lock_guard lock(mutex_);
                    devices_.serial().receive({typed, static_cast<u64>(count)});
                }
            }
        }
        close(signals);
    }

    [[nodiscard]] bool stopped() {
        const std::lock_guard lock(mutex_);
        return done_;
    }

    /// The first end counts. Called under the lock.
    void end(End end) {
        if (!done_) {
            done_         = true;
            result_.end   = std::move(end);
            const u64 one = 1;
            static_cast<void>(write(ended_, &one, sizeof(one)));
        }
    }

    void end(End::Kind kind, u64 code, std::string words) {
        end({.kind = kind, .code = code, .words = std::move(words)});
    }

    void serve(u32 n) {
        const Guest::Vcpu& vcpu = guest_.vcpus()[n];
        try {
            while (!stopped()) {
                const int answer = calls_.kernel.ioctl(vcpu.descriptor, KVM_RUN, 0);
                if (answer == -EINTR || answer == -EAGAIN) {
                    continue;
                }
                const bool fault = (answer == -EFAULT || answer == -EHWPOISON)
                                   && vcpu.run->exit_reason == abi::exit_memory_fault;
                if (answer < 0 && !fault) {
                    throw LaunchError(fmt::format("KVM_RUN of vCPU {}: {}: `dmesg` may say more", n,
                                                  std::strerror(-answer)));
                }
                const std::lock_guard lock(mutex_);
                ++result_.exits[vcpu.run->exit_reason];
                if (options_.watch) {
                    options_.watch(n, *vcpu.run);
                }
                exit(n, *vcpu.run);
            }
        } catch (const LaunchError& error) {
            const std::lock_guard lock(mutex_);
            end(End::Kind::failed, 0, error.what());
        }
    }

    void exit(u32 n, kvm_run& run) {
        switch (run.exit_reason) {
        case KVM_EXIT_IO: io(run); return;
        case KVM_EXIT_MMIO:
            ++result_.unclaimed_mmio;
            if (run.mmio.is_write == 0) {
                std::memset(run.mmio.data, 0xFF, sizeof(run.mmio.data));
            }
            return;
        case KVM_EXIT_INTR: return;
        case KVM_EXIT_HYPERCALL: hypercall(run); return;
        case abi::exit_memory_fault: {
            const auto fault = abi::memory_fault_of(run);
            if (convert({.gpa = fault.gpa, .size = fault.size},
                        (fault.flags & abi::fault_private) != 0)) {
                return;
            }
            break; // no memory there
        }
        default: break;
        }
        using Kind      = End::Kind;
        const u32 event = run.exit_reason == KVM_EXIT_SYSTEM_EVENT ? run.system_event.type : 0;
        const Kind kind = event == KVM_SYSTEM_EVENT_SHUTDOWN     ? Kind::power_off
                          : event == KVM_SYSTEM_EVENT_RESET      ? Kind::reset
                          : event == abi::event_sev_term         ? Kind::terminated
                          : run.exit_reason == KVM_EXIT_SHUTDOWN ? Kind::shutdown
                                                                 : Kind::failed;
        end(kind, run.exit_reason,
            fmt::format("vCPU {}: {}{}", n, kvm::exit_text(run),
                        kind == Kind::terminated
                            ? last_words(guest_.memory(), run.system_event.data[0])
                            : ""));
    }

    void io(kvm_run& run) {
        const u64 size = run.io.size;
        // KVM's own answer, and still nothing to write by without a look.
        if ((size != 1 && size != 2 && size != 4)
            || run.io.data_offset + size * run.io.count > guest_.run_size()) {
            throw LaunchError(
                fmt::format("KVM_EXIT_IO: found {} x {} bytes at offset {:#x}, expected "
                            "them inside kvm_run, {:#x} bytes",
                            u32{run.io.count}, size, u64{run.io.data_offset}, guest_.run_size()));
        }
        u8* data = reinterpret_cast<u8*>(&run) + run.io.data_offset; // NOLINT: KVM's convention
        for (u32 n = 0; n < run.io.count; ++n, data += size) {
            u32 value = 0;
            if (run.io.direction == KVM_EXIT_IO_IN) {
                value = devices_.in(run.io.port, static_cast<unsigned>(size));
                std::memcpy(data, &value, size);
                continue;
            }
            std::memcpy(&value, data, size);
            if (auto end = devices_.out(run.io.port, static_cast<unsigned>(size), value)) {
                this->end(std::move(*end));
                return;
            }
        }
    }

    void hypercall(kvm_run& run) {
        const auto& call = run.hypercall;
        const u64 pages  = call.args[1];
        const bool known = call.nr == abi::map_gpa_range && pages != 0
                           && pages <= ~u64{0} / page_size
                           && convert({.gpa = call.args[0], .size = pages * page_size},
                                      (call.args[2] & abi::map_private) != 0);
        // KVM's own error for what is not there to be had.
        run.hypercall.ret = known ? 0 : static_cast<u64>(-EINVAL);
    }

    bool convert(const igvm::GpaRange& range, bool to_private) {
        const bool done = range.gpa % page_size == 0 && range.size % page_size == 0
                          && guest_.memory().convert(range, to_private);
        result_.converted += done ? range.size / page_size : 0;
        return done;
    }

    void put(u8 byte) {
        if (write(options_.serial, &byte, 1) != 1) {
            end(End::Kind::failed, 0, "stopped, since its output could not be written");
        }
    }

    void interrupt(bool level) {
        kvm_irq_level line{};
        line.irq   = SerialPort::irq;
        line.level = level ? 1 : 0;
        calls_.call(guest_.vm(), KVM_IRQ_LINE, line);
    }

    Calls& calls_;
    Guest& guest_;
    const RunOptions& options_;
    int ended_;        // an eventfd
    std::mutex mutex_; // everything below
    Devices devices_;
    bool done_ = false;
    RunResult result_{};
};
} // namespace

RunResult run(Calls& calls, Guest& guest, const RunOptions& options) {
    return Runner(calls, guest, options).run();
}

} // namespace vestibule::launcher
