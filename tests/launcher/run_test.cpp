// SPDX-License-Identifier: BSD-2-Clause-Patent
// A guest that runs by a script of exits: each served, and each end said in words; COM1 as Linux's
// driver finds it, the clock, and how a run is stopped from outside.
#include "tests/launcher/fixture.h"

#include "launcher/run.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace vestibule::launcher::test {

namespace {
/// An IN or OUT; what IN has found goes to `seen`.
Model::Exit out(u16 port, u32 value, u8 size = 1) {
    return [=](kvm_run& run) {
        run.exit_reason    = KVM_EXIT_IO;
        run.io.direction   = KVM_EXIT_IO_OUT;
        run.io.port        = port;
        run.io.size        = size;
        run.io.count       = 1;
        run.io.data_offset = page_size;
        std::memcpy(reinterpret_cast<u8*>(&run) + page_size, &value, sizeof(value)); // NOLINT
        return 0;
    };
}

Model::Exit in(u16 port, u8 size = 1) {
    return [=](kvm_run& run) {
        static_cast<void>(out(port, 0, size)(run));
        run.io.direction = KVM_EXIT_IO_IN;
        return 0;
    };
}

/// Looks at what the last IN has answered; an exit that asks for nothing.
Model::Exit look(std::vector<u32>& seen) {
    return [&seen](kvm_run& run) {
        u32 value = 0;
        std::memcpy(&value, reinterpret_cast<u8*>(&run) + page_size, sizeof(value)); // NOLINT
        seen.push_back(value);
        run.exit_reason = KVM_EXIT_INTR;
        return 0;
    };
}

Model::Exit ends(u32 reason) {
    return [=](kvm_run& run) {
        run.exit_reason = reason;
        return 0;
    };
}

Model::Exit system_event(u32 type, std::optional<u64> data = {}) {
    return [=](kvm_run& run) {
        run.exit_reason          = KVM_EXIT_SYSTEM_EVENT;
        run.system_event.type    = type;
        run.system_event.ndata   = data ? 1 : 0;
        run.system_event.data[0] = data.value_or(0);
        return 0;
    };
}

Model::Exit map_gpa_range(u64 gpa, u64 pages, u64 flags) {
    return [=](kvm_run& run) {
        run.exit_reason       = KVM_EXIT_HYPERCALL;
        run.hypercall.nr      = 12;
        run.hypercall.args[0] = gpa;
        run.hypercall.args[1] = pages;
        run.hypercall.args[2] = flags;
        run.hypercall.ret     = 99;
        return 0;
    };
}

Model::Exit memory_fault(u64 flags, u64 gpa, u64 size) {
    return [=](kvm_run& run) {
        const abi::MemoryFault fault{.flags = flags, .gpa = gpa, .size = size};
        run.exit_reason = 39;
        std::memcpy(&run.mmio, &fault, sizeof(fault));
        return -EFAULT;
    };
}

struct Ran {
    RunResult result;
    std::string output;
};

/// Runs a launched guest by the model's script.
Ran run_script(Launching& own, std::chrono::seconds timeout = std::chrono::seconds(10)) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    Ran ran{.result = run(*own.calls, *own.guest,
                          {.memory   = own.plan.machine.memory,
                           .serial   = ends[1],
                           .keyboard = false,
                           .timeout  = timeout,
                           .watch    = {}}),
            .output = {}};
    close(ends[1]);
    char buffer[4096];
    for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof(buffer))) > 0;) {
        ran.output.append(buffer, static_cast<u64>(got));
    }
    close(ends[0]);
    return ran;
}

struct Script {
    explicit Script(PlatformType platform, u32 vcpus = 1)
        : own(launch_file(platform, {plain_vmsa(platform)})) {
        own.launch(platform, vcpus);
    }

    End end_of(Model::Exit exit) {
        own.model.script = {std::move(exit)};
        return run_script(own).result.end;
    }

    Launching own;
};
} // namespace

TEST(LauncherRun, EveryEndInWords) {
    using Kind = End::Kind;

    struct Row {
        Model::Exit exit;
        Kind kind;
        std::string_view words;
    };

    const auto fail_entry = [](kvm_run& run) {
        run.exit_reason                              = KVM_EXIT_FAIL_ENTRY;
        run.fail_entry.hardware_entry_failure_reason = 0xFFFF'FFFF;
        return 0;
    };
    const auto internal = [](kvm_run& run) {
        run.exit_reason       = KVM_EXIT_INTERNAL_ERROR;
        run.internal.suberror = 1;
        run.internal.ndata    = 2;
        run.internal.data[0]  = 0xAB;
        run.internal.data[1]  = 0xCD;
        return 0;
    };
    const auto too_much = [](kvm_run& run) {
        run.exit_reason       = KVM_EXIT_INTERNAL_ERROR;
        run.internal.suberror = 77;
        run.internal.ndata    = ~0u;
        return 0;
    };
    const Row rows[] = {
        {out(0xF4, 0), Kind::exit, "the guest exited with code 0"},
        {out(0xF4, 0x1234, 4), Kind::exit, "the guest exited with code 4660"},
        {out(0xCF9, 6), Kind::reset, "the guest reset the machine"},
        {out(0x64, 0xFE), Kind::reset, "the guest reset the machine"},
        {system_event(1), Kind::power_off, "power off"},
        {system_event(2), Kind::reset, "reset"},
        {system_event(3), Kind::failed, "crashed"},
        {system_event(99), Kind::failed, "event 99, which this program does not know"},
        // The project's table: set 2, code 4; a set of Linux's; none that is known; no data
        {system_event(6, 0x04'2100), Kind::terminated,
         "C_BIT_MISMATCH (set 2, code 0x4): the hypervisor reports a C-bit"},
        {system_event(6, 0xF0'2100), Kind::terminated, "SELFTEST_PASSED (set 2, code 0xf0)"},
        {system_event(6, 0x01'1100), Kind::terminated, "unknown (set 1, code 0x1)"},
        {system_event(6, 0x6F'4100), Kind::terminated, "UNEXPECTED_EXIT (set 4, code 0x6f)"},
        {system_event(6, 0x12'3000), Kind::terminated, "by its GHCB page at 0x123000; the reason"},
        {system_event(6), Kind::terminated, "KVM tells no reason"},
        {ends(KVM_EXIT_SHUTDOWN), Kind::shutdown, "a triple fault"},
        {ends(KVM_EXIT_HLT), Kind::failed, "halts for good"},
        {ends(KVM_EXIT_AP_RESET_HOLD), Kind::failed, "AP reset hold"},
        {ends(KVM_EXIT_DEBUG), Kind::failed, "KVM_EXIT_DEBUG, which this program does not serve"},
        {ends(43), Kind::failed, "KVM_EXIT_SNP_REQ_CERTS"},
        {ends(1000), Kind::failed, "KVM_EXIT_1000"},
        {fail_entry, Kind::failed, "refuses to enter the guest, hardware reason 0xffffffff"},
        {internal, Kind::failed, "an instruction that KVM cannot emulate; data 0xab 0xcd"},
        {too_much, Kind::failed, "KVM gave up: error 77"},
        {[](kvm_run&) { return -ENOSYS; }, Kind::failed,
         "KVM_RUN of vCPU 0: Function not implemented"},
        {memory_fault(8, u64{1} << 46, page_size), Kind::failed,
         "private access to 0x400000000000, 0x1000 bytes"},
        {memory_fault(0, 0x1234, page_size), Kind::failed, "shared access to 0x1234"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.words);
        const End end = Script(PlatformType::sev_snp).end_of(row.exit);
        EXPECT_EQ(end.kind, row.kind);
        EXPECT_NE(end.words.find(row.words), std::string::npos) << end.words;
    }
}

TEST(LauncherRun, LastWordsOfTheGuest) {
    constexpr u64 gpa    = 0x2'3000;
    constexpr u64 buffer = 0x800; // of a GHCB page
    const auto leave     = [&](Script& script, u64 magic, u64 reason) {
        const u64 words[] = {magic, reason, 0x20'5000, 0x72, 0xFED0'0000};
        std::memcpy(script.own.guest->memory().at({.gpa = gpa, .size = page_size}) + buffer, words,
                        sizeof(words));
    };
    constexpr u64 magic = 0x5453'414C'5453'4556;

    struct Row {
        u64 magic;
        u64 reason;
        bool shown;
    };

    // Those of the request; of another one; what is none.
    for (const Row& row : {
             Row{magic,     0x234, true },
             Row{magic,     0x235, false},
             Row{magic + 1, 0x234, false}
    }) {
        Script script(PlatformType::sev_es);
        leave(script, row.magic, row.reason);
        const End end = script.end_of(system_event(6, 0x34'2100));
        EXPECT_EQ(end.words.find("at rip 0x205000, error code 0x72, address 0xfed00000")
                      != std::string::npos,
                  row.shown)
            << end.words;
    }
}

TEST(LauncherRun, AnswersOfKvmThatCannotBe) {
    const auto io = [](u8 size, u64 offset, u32 count) {
        return [=](kvm_run& run) {
            static_cast<void>(out(0x80, 0)(run));
            run.io.size        = size;
            run.io.data_offset = offset;
            run.io.count       = count;
            return 0;
        };
    };
    for (const auto& exit : {io(3, page_size, 1), io(1, 3 * page_size, 1), io(4, page_size, 2049),
                             io(8, page_size, 1)}) {
        const End end = Script(PlatformType::sev_es).end_of(exit);
        EXPECT_EQ(end.kind, End::Kind::failed);
        EXPECT_NE(end.words.find("KVM_EXIT_IO: found"), std::string::npos) << end.words;
    }
}

TEST(LauncherRun, StringOutputGoesToTheSerialPort) {
    Script script(PlatformType::sev_es);
    script.own.model.script = {[](kvm_run& run) {
                                   static_cast<void>(out(0x3F8, 0)(run));
                                   constexpr char text[] = "hello, owner\n";
                                   run.io.count          = sizeof(text) - 1;
                                   std::memcpy(reinterpret_cast<u8*>(&run) + page_size, // NOLINT
                                               text, sizeof(text) - 1);
                                   return 0;
                               },
                               out(0xF4, 0)};
    const Ran ran           = run_script(script.own);
    EXPECT_EQ(ran.output, "hello, owner\n");
    EXPECT_EQ(ran.result.exits.at(KVM_EXIT_IO), 2U);
}

TEST(LauncherRun, ChangesPagesBetweenPrivateAndShared) {
    Script script(PlatformType::sev_snp);
    Model& model = script.own.model;
    std::vector<bool> is_private;
    std::vector<u64> answers;
    const auto note = [&](u64 gpa) {
        return [&, gpa](kvm_run& run) {
            is_private.push_back(model.is_private(gpa));
            answers.push_back(run.hypercall.ret);
            run.exit_reason = KVM_EXIT_INTR;
            return 0;
        };
    };
    constexpr u64 to_private = 0x10;
    model.script             = {map_gpa_range(0x20'0000, 2, to_private),
                                note(0x20'1000),
                                map_gpa_range(0x20'1000, 1, 0),
                                note(0x20'1000),
                                map_gpa_range(0x1000, 1, 0),
                                note(0x1000), // one that was launched
                                map_gpa_range(u64{1} << 45, 1, to_private),
                                note(u64{1} << 45), // no memory
                                map_gpa_range(0x20'0800, 1, to_private),
                                note(0x20'0000), // no page
                                map_gpa_range(0x20'0000, ~u64{0}, 0),
                                note(0x20'0000), // beyond 2^64
                                memory_fault(8, 0x30'0000, page_size),
                                note(0x30'0000),
                                memory_fault(0, 0x30'0000, page_size),
                                note(0x30'0000),
                                out(0xF4, 0)};
    const Ran ran            = run_script(script.own);
    EXPECT_EQ(ran.result.end.kind, End::Kind::exit) << ran.result.end.words;
    EXPECT_EQ(is_private, (std::vector<bool>{true, false, false, false, true, true, true, false}));
    const auto refused = static_cast<u64>(-EINVAL);
    EXPECT_EQ(std::vector<u64>(answers.begin(), answers.begin() + 6),
              (std::vector<u64>{0, 0, 0, refused, refused, refused}));
    EXPECT_EQ(ran.result.converted, 6U);
    EXPECT_TRUE(model.private_page(0x1000).empty()) << "its private page was given back";
    EXPECT_EQ(model.host_page(0x1000), Bytes(page_size)) << "and nothing of it is left in view";
}

TEST(LauncherRun, MemoryWhereNoDeviceIsReadsAsOnes) {
    Script script(PlatformType::sev_es);
    u64 seen                = 0;
    script.own.model.script = {[](kvm_run& run) {
                                   run.exit_reason    = KVM_EXIT_MMIO;
                                   run.mmio.phys_addr = 0xFED0'0000;
                                   run.mmio.len       = 8;
                                   run.mmio.is_write  = 0;
                                   return 0;
                               },
                               [&](kvm_run& run) {
                                   std::memcpy(&seen, run.mmio.data, sizeof(seen));
                                   run.mmio.is_write = 1;
                                   return 0;
                               },
                               out(0xF4, 0)};
    EXPECT_EQ(run_script(script.own).result.unclaimed_mmio, 2U);
    EXPECT_EQ(seen, ~u64{0});
}

TEST(LauncherRun, PortsThatHoldWhatIsWritten) {
    Script script(PlatformType::sev_es);
    std::vector<u32> seen;
    script.own.model.script = {
        out(0x81, 0x5A),  in(0x81),   look(seen),   out(0xCF8, 0x8000'0006, 4),
        in(0xCF8, 4),     look(seen), in(0xCFC, 4), look(seen), // no device on the bus
        out(0x3FF, 0xA7), in(0x3FF),  look(seen),   out(0xF4, 3)};
    EXPECT_EQ(run_script(script.own).result.end.code, 3U);
    EXPECT_EQ(seen[0] & 0xFF, 0x5AU);
    EXPECT_EQ(seen[1], 0x8000'0006U);
    EXPECT_EQ(seen[2], ~0U);
    EXPECT_EQ(seen[3] & 0xFF, 0xA7U);
}

TEST(LauncherRun, OfSeveralVcpusTheFirstEndCounts) {
    Script script(PlatformType::sev_snp, 4);
    script.own.model.script = {out(0x3F8, 'x'), out(0xF4, 0)};
    const Ran ran           = run_script(script.own);
    EXPECT_EQ(ran.result.end.kind, End::Kind::exit);
    EXPECT_EQ(ran.output, "x");
}

TEST(LauncherRun, StopsAtTheTimeLimit) {
    Script script(PlatformType::sev_es, 2);
    const auto before = std::chrono::steady_clock::now();
    const Ran ran     = run_script(script.own, std::chrono::seconds(1));
    EXPECT_EQ(ran.result.end.kind, End::Kind::timed_out);
    EXPECT_NE(ran.result.end.words.find("within 1 s"), std::string::npos);
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::seconds(1));
}

TEST(LauncherRun, StopsAtASignalAndLetsGoOfIt) {
    Script script(PlatformType::sev_es);
    std::thread typist([main = pthread_self()] {
        usleep(200'000);
        pthread_kill(main, SIGINT);
    });
    const Ran ran = run_script(script.own);
    typist.join();
    EXPECT_EQ(ran.result.end.kind, End::Kind::interrupted);
    EXPECT_EQ(ran.result.end.words, "interrupted by SIGINT");
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(sigismember(&blocked, SIGINT), 0);
}

TEST(LauncherRun, OutputThatNobodyTakesEndsIt) {
    Script script(PlatformType::sev_es);
    script.own.model.script = {out(0x3F8, 'x')};
    const auto result =
        run(*script.own.calls, *script.own.guest,
            {.memory = 1 << 28, .serial = -1, .keyboard = false, .timeout = {}, .watch = {}});
    EXPECT_NE(result.end.words.find("could not be written"), std::string::npos);
}

// The devices by themselves

namespace {
struct Port {
    std::string sent;
    std::vector<bool> levels;
    SerialPort port{[this](u8 byte) { sent += static_cast<char>(byte); },
                    [this](bool level) { levels.push_back(level); }};
};
} // namespace

TEST(LauncherDevices, LinuxFindsA16550A) {
    // drivers/tty/serial/8250: autoconfig() in short.
    Port own;
    own.port.write(1, 0);
    EXPECT_EQ(own.port.read(1), 0U);
    own.port.write(1, 0xF);
    EXPECT_EQ(own.port.read(1), 0xFU);
    own.port.write(1, 0);
    own.port.write(4, 0x10 | 0xA); // loop: OUT2 and RTS come back as DCD and CTS
    EXPECT_EQ(own.port.read(6) & 0xF0, 0x90U);
    own.port.write(4, 0);
    own.port.write(3, 0xBF); // EFR of later UARTs
    own.port.write(3, 0);
    own.port.write(2, 1);
    EXPECT_EQ(own.port.read(2) >> 6, 3U) << "FIFOs";
    EXPECT_EQ(own.port.read(5), 0x60U) << "ready to send, nothing received";
    own.port.write(3, 0x83);
    own.port.write(0, 0x0C);
    own.port.write(1, 0x01);
    EXPECT_EQ(own.port.read(0), 0x0CU);
    EXPECT_EQ(own.port.read(1), 0x01U);
    own.port.write(3, 0x03);
    EXPECT_TRUE(own.sent.empty()) << "the divisor is no data";
}

TEST(LauncherDevices, TheTransmittersInterruptComesAndGoes) {
    Port own;
    own.port.write(4, 0x08);
    own.port.write(1, 2); // enabling it asks for more at once
    EXPECT_EQ(own.levels, (std::vector<bool>{true}));
    EXPECT_EQ(own.port.read(2) & 0xF, 2U); // reading it takes it away
    EXPECT_EQ(own.levels, (std::vector<bool>{true, false}));
    EXPECT_EQ(own.port.read(2) & 0xF, 1U);
    own.port.write(0, 'a');
    EXPECT_EQ(own.sent, "a");
    EXPECT_EQ(own.levels.back(), true);
    own.port.write(4, 0x07); // OUT2 alone gates the line
    EXPECT_EQ(own.levels.back(), false);
}

TEST(LauncherDevices, WhatIsTypedArrivesInOrder) {
    Port own;
    own.port.write(4, 0x08);
    own.port.write(1, 1);
    own.port.receive("ab");
    EXPECT_EQ(own.levels, (std::vector<bool>{true}));
    EXPECT_EQ(own.port.read(2) & 0xF, 4U);
    EXPECT_EQ(own.port.read(5), 0x61U);
    EXPECT_EQ(own.port.read(0), 'a');
    EXPECT_EQ(own.port.read(0), 'b');
    EXPECT_EQ(own.levels, (std::vector<bool>{true, false}));
    EXPECT_EQ(own.port.read(5), 0x60U);
    own.port.receive(std::string(5000, 'x'));
    unsigned taken = 0;
    while ((own.port.read(5) & 1) != 0) {
        EXPECT_EQ(own.port.read(0), 'x');
        ++taken;
    }
    EXPECT_EQ(taken, 4096U);
    own.port.receive("z");
    own.port.write(2, 3); // clears the FIFO
    EXPECT_EQ(own.port.read(5), 0x60U);
    own.port.write(4, 0x10); // a loop keeps to itself
    own.port.write(0, 'q');
    EXPECT_EQ(own.port.read(0), 'q');
    EXPECT_TRUE(own.sent.empty());
    for (unsigned n = 0; n < 5000; ++n) {
        own.port.write(0, 'q');
    }
    for (taken = 0; (own.port.read(5) & 1) != 0; ++taken) {
        EXPECT_EQ(own.port.read(0), 'q');
    }
    EXPECT_EQ(taken, 4096U);
}

TEST(LauncherDevices, TheClockTellsUtcInBcd) {
    Devices devices(u64{1} << 28, [](u8) {}, [](bool) {});
    const auto cmos = [&devices](u8 index) {
        EXPECT_FALSE(devices.out(0x70, 1, 0x80 | index)); // the top bit masks NMIs
        return devices.in(0x71, 1);
    };
    const auto number = [&cmos](u8 index) {
        const u32 value = cmos(index);
        EXPECT_LT(value & 0xF, 10U);
        return static_cast<int>(value / 16 * 10 + value % 16);
    };
    tm told{};
    time_t now = 0;
    do { // the clock may tick between two registers
        now          = std::time(nullptr);
        told.tm_year = number(0x32) * 100 + number(9) - 1900;
        told.tm_mon  = number(8) - 1;
        told.tm_mday = number(7);
        told.tm_hour = number(4);
        told.tm_min  = number(2);
        told.tm_sec  = number(0);
    } while (std::time(nullptr) != now);
    EXPECT_EQ(timegm(&told), now);
    EXPECT_EQ(cmos(0xB), 2U) << "24 hours, BCD";
    EXPECT_EQ(cmos(0xD), 0x80U);
    EXPECT_EQ(cmos(0x34) | cmos(0x35) << 8, (256U - 16) * 16) << "64 KiB blocks above 16 MiB";
    EXPECT_EQ(cmos(0x34), 0U);
    EXPECT_FALSE(devices.out(0x71, 1, 0x5A));
    EXPECT_EQ(devices.in(0x70, 1), 0x34U);
}

} // namespace vestibule::launcher::test
