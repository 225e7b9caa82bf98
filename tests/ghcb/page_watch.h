// SPDX-License-Identifier: BSD-2-Clause-Patent
// Seeing every access to a page, in order, as it happens: the page is not accessible, a fault notes
// the access and lets that one instruction through, and the trap after it closes the page again.
// This is how a test plays the hypervisor that changes the page between two reads.
#pragma once

#include "x86/types.h"
#include <csignal>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <sys/mman.h>
#include <ucontext.h>
#include <utility>
#include <vector>

namespace vestibule::test {

class PageWatch {
  public:
    struct Access {
        unsigned offset;
        bool write;
    };

    /// Called after each access, with the page open.
    std::function<void(const Access&)> after;
    std::vector<Access> accesses;

    PageWatch() {
        watched_page = static_cast<u8*>(
            mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (watched_page == MAP_FAILED) {
            throw std::runtime_error("mmap");
        }
        active = this;
        install(SIGSEGV, on_fault, old_fault);
        install(SIGTRAP, on_trap, old_trap);
    }

    PageWatch(const PageWatch&)            = delete;
    PageWatch& operator=(const PageWatch&) = delete;

    ~PageWatch() {
        sigaction(SIGSEGV, &old_fault, nullptr);
        sigaction(SIGTRAP, &old_trap, nullptr);
        active = nullptr;
        munmap(watched_page, page_size);
    }

    u8* bytes() { return watched_page; }

    void start() { protect(true); }

    void stop() { protect(false); }

  private:
    static constexpr greg_t trap_flag   = 0x100;
    static constexpr greg_t write_fault = 2;

    static inline PageWatch* active = nullptr;

    using Handler = void (*)(int, siginfo_t*, void*);

    static void install(int signal, Handler handler, struct sigaction& old) {
        struct sigaction action{};
        action.sa_flags     = SA_SIGINFO | SA_NODEFER;
        action.sa_sigaction = handler;
        sigaction(signal, &action, &old);
    }

    static greg_t& machine_register(void* context, int number) {
        return static_cast<ucontext_t*>(context)->uc_mcontext.gregs[number];
    }

    static void on_fault(int, siginfo_t* info, void* context) {
        const auto offset = reinterpret_cast<uintptr_t>(info->si_addr)
                            - reinterpret_cast<uintptr_t>(active->bytes());
        if (offset >= page_size) { // somebody else's fault: let it happen again, unhandled
            sigaction(SIGSEGV, &active->old_fault, nullptr);
            return;
        }
        active->last = {.offset = static_cast<unsigned>(offset),
                        .write  = (machine_register(context, REG_ERR) & write_fault) != 0};
        active->protect(false);
        machine_register(context, REG_EFL) |= trap_flag;
    }

    static void on_trap(int, siginfo_t*, void* context) {
        machine_register(context, REG_EFL) &= ~trap_flag;
        active->accesses.push_back(active->last);
        if (active->after) {
            active->after(active->last);
        }
        active->protect(true);
    }

    void protect(bool closed) const {
        mprotect(watched_page, page_size, closed ? PROT_NONE : PROT_READ | PROT_WRITE);
    }

    u8* watched_page = nullptr;
    Access last{};
    struct sigaction old_fault{};
    struct sigaction old_trap{};
};

} // namespace vestibule::test
