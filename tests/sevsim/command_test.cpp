// SPDX-License-Identifier: BSD-2-Clause-Patent
// What `sevsim run` is asked for, and the QEMU command line that comes of it.
#include "sevsim/from_text.h"
#include "sevsim/kept_machine.h"
#include "sevsim/late_words.h"
#include "sevsim/qemu_command.h"
#include "sevsim/qemu_version.h"
#include "sevsim/rules.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace vestibule::sevsim {

namespace {

/// The argument behind the first `option`.
std::string value_of(const std::vector<std::string>& command, std::string_view option) {
    const auto found = std::ranges::find(command, option);
    return found == command.end() || found + 1 == command.end() ? "" : *(found + 1);
}

const InheritedFiles files{.monitor = 11, .guest = {12}, .records = 13, .orders = 14};

} // namespace

TEST(Lies, AreFoundByTheirWholeName) {
    for (const LieDescription& lie : lies) {
        const std::string name = lie.name;
        EXPECT_EQ(find_lie(name.data(), name.size()), &lie);
        EXPECT_EQ(find_lie(name.data(), name.size() - 1), nullptr);
        const std::string longer = name + "x";
        EXPECT_EQ(find_lie(longer.data(), longer.size()), nullptr);
    }
    EXPECT_EQ(find_lie("", 0), nullptr);
}

TEST(Lies, AreReadWithWhatTheyTake) {
    struct Case {
        std::string_view text;
        Lie lie;
        u64 code;
        u64 at;
        u64 within = 0;
    };

    for (const Case& good : {
             Case{"no-sev", Lie::no_sev, 0, 0},
             {"nmi@1", Lie::nmi, 0, 1},
             {"nmi@0x10", Lie::nmi, 0, 16},
             {"vc:0x7b@20", Lie::vc_instead, 0x7B, 20},
             {"vc:114@20", Lie::vc_instead, 114, 20},
             {"vc-at-entry:0xFFffFFff@3", Lie::vc_at_entry, 0xFFFF'FFFF, 3},
             {"vc-at-entry:0@18446744073709551615", Lie::vc_at_entry, 0, ~u64{0}},
             {"vc-within:0x72@3+0x10", Lie::vc_within, 0x72, 3, 16},
             {"event-within:0x123456789a@1+200", Lie::event_within, 0x12'3456'789A, 1, 200},
             {"msr-within:0xc0000082@2+9", Lie::msr_within, 0xC000'0082, 2, 9},
             {"refused:6@3", Lie::refused, 6, 3},
             {"unanswered@3", Lie::unanswered, 0, 3},
             {"secrets-flip:0x20000000000000ff", Lie::secrets_flip, 0x2000'0000'0000'00FF, 0},
             {"field-flip:0x3980000000000002@4", Lie::field_flip, 0x3980'0000'0000'0002, 4},
             {"field-set:0xffffffffffffffff@4+0x398", Lie::field_set, ~u64{0}, 4, 0x398},
             {"answer-of-other:0x80000010@2", Lie::answer_of_other, 0x8000'0010, 2},
             {"event-walk:0x80000312@0x72", Lie::event_walk, 0x8000'0312, 0x72},
    }) {
        Hostility read;
        EXPECT_EQ(read_hostility(good.text.data(), good.text.size(), read), nullptr) << good.text;
        EXPECT_EQ(read.lie, good.lie) << good.text;
        EXPECT_EQ(read.code, good.code) << good.text;
        EXPECT_EQ(read.at, good.at) << good.text;
        EXPECT_EQ(read.within, good.within) << good.text;
    }
}

TEST(Lies, AreRefusedWithTheReason) {
    struct Case {
        std::string_view text;
        std::string_view why;
    };

    for (const Case& wrong : {
             Case{"",                         "no lie"                },
             {"vcs:1@1",                  "no lie"                },
             {"@1",                       "no lie"                },
             {"no-sev@1",                 "this lie takes nothing"},
             {"no-sev:1@1",               "this lie takes nothing"},
             {"nmi",                      "expected @N"           },
             {"nmi@",                     "expected @N"           },
             {"nmi@0",                    "expected @N"           },
             {"nmi@-1",                   "expected @N"           },
             {"nmi@1x",                   "expected @N"           },
             {"nmi@0x",                   "expected @N"           },
             {"nmi@1@2",                  "expected @N"           },
             {"nmi@18446744073709551616", "expected @N"           },
             {"nmi:1@1",                  "expected NAME@N"       },
             {"vc@1",                     "expected NAME:CODE@N"  },
             {"vc:@1",                    "expected NAME:CODE@N"  },
             {"vc:0x@1",                  "expected NAME:CODE@N"  },
             {"vc:7b@1",                  "expected NAME:CODE@N"  },
             {"vc:1:2@1",                 "expected NAME:CODE@N"  },
             {"vc:0x100000000@1",         "expected NAME:CODE@N"  },
             {"vc@1:2",                   "expected @N"           },
             {"vc:0x72",                  "expected @N"           },
             {"vc:0x72@1+2",              "expected @N"           },
             {"vc-within:0x72@1",         "expected @N+K"         },
             {"vc-within:0x72@1+0",       "expected @N+K"         },
             {"vc-within:0x72@0+1",       "expected @N"           },
             {"vc-within:0x72+1@1",       "expected @N"           },
             {"vc-within:0x72@1+1+1",     "expected @N"           },
             {"vc-within@1+1",            "expected NAME:CODE@N"  },
             {"event-within:@1+1",        "expected NAME:WORD@N"  },
             {"msr-within:0x10@1",        "expected @N+K"         },
             {"refused@1",                "expected NAME:CODE@N"  },
             {"unanswered",               "expected @N"           },
             {"secrets-flip",             "expected NAME:WORD"    },
             {"secrets-flip:1@1",         "expected NAME:WORD"    },
             {"field-set:1@1",            "expected @N+K"         },
    }) {
        Hostility read;
        const char* said = read_hostility(wrong.text.data(), wrong.text.size(), read);
        ASSERT_NE(said, nullptr) << wrong.text;
        EXPECT_TRUE(std::string_view{said}.starts_with(wrong.why)) << wrong.text << ": " << said;
    }
}

TEST(QemuCommand, PassesHostilityOnAsItWasAsked) {
    for (const char* text :
         {"no-sev", "nmi@12", "vc:0x7b@20", "vc-at-entry:0x0@3", "vc-within:0x72@3+17",
          "event-within:0x80000312@1+2", "event-walk:0x80000312@114", "msr-within:0xc0000082@2+9",
          "refused:0x6@3", "unanswered@3", "secrets-flip:0xffffffffffffffff",
          "field-set:0x1@4+920"}) {
        RunOptions options;
        Hostility lie;
        EXPECT_EQ(read_hostility(text, std::string_view{text}.size(), lie), nullptr);
        EXPECT_EQ(options.hostile.add(lie), nullptr);
        EXPECT_TRUE(monitor_command_line(options).ends_with(std::string{" hostile="} + text))
            << monitor_command_line(options);
    }
}

TEST(QemuCommand, SaysAtFromWhatIsDoneThere) {
    RunOptions options;
    options.trace        = "t";
    options.trace_format = TraceFormat::text;
    options.from         = {.vmgexit = 12};
    EXPECT_EQ(options.hostile.add({.lie = Lie::nmi, .at = 3}), nullptr);
    EXPECT_EQ(monitor_command_line(options),
              "memory=268435456 platform=sev-es cbit=47 guest=igvm from=12");
    const std::string words = late_words(options);
    EXPECT_EQ(words.size(), late_words_size);
    EXPECT_EQ(words.substr(0, words.find('\0')), "trace=1 handlers=1 hostile=nmi@3");
    options.from = {
        .code = {0x1000, 0x2000}
    };
    EXPECT_TRUE(monitor_command_line(options).ends_with(" from=0x1000-0x2000"));
    InheritedFiles with_words = files;
    with_words.late_words     = 21;
    EXPECT_EQ(value_of(qemu_command(options, with_words, {.files_size = 1}), "-fw_cfg"),
              "name=opt/sevsim/from,file=/dev/fd////21");
    // The longest plan there is has room, and a zero behind it.
    Plan longest;
    while (longest.add({Lie::cpuid_entry_flip, ~u64{0}, ~u64{0}, ~u64{0}}) == nullptr) {
    }
    options.hostile = longest;
    EXPECT_EQ(late_words(options).back(), '\0');
    EXPECT_TRUE(std::string{late_words(options).c_str()}.ends_with("+18446744073709551615"));
}

TEST(QemuCommand, KeepsAMachineInFilesAndGoesOnFromThem) {
    RunOptions options;
    options.from           = {.vmgexit = 1};
    InheritedFiles keeping = files;
    keeping.machine        = {.shared = 21, .hidden = 22};
    const auto kept        = qemu_command(options, keeping, {.files_size = 1});
    EXPECT_TRUE(
        value_of(kept, "-object").ends_with(",mem-path=/dev/fd////22,share=on,reserve=off"));
    EXPECT_EQ(value_of(kept, "-global"), "migration.store-global-state=off");
    EXPECT_EQ(value_of(kept, "-incoming"), "");
    keeping.machine->devices = 23;
    const auto goes_on       = qemu_command(options, keeping, {.files_size = 1});
    EXPECT_TRUE(
        value_of(goes_on, "-object").ends_with(",mem-path=/dev/fd////22,share=off,reserve=off"));
    EXPECT_EQ(value_of(goes_on, "-incoming"), "defer");
}

TEST(KeptMachine, IsNoneOfThese) {
    RunOptions options;
    EXPECT_EQ(from_contradiction(options), "");
    options.from = {.vmgexit = 5};
    EXPECT_EQ(from_contradiction(options), "");
    options.platform = "native";
    EXPECT_NE(from_contradiction(options).find("has no VMGEXIT"), std::string::npos);
    options.platform = "sev-snp";
    EXPECT_EQ(from_contradiction(options), "");
    options.vcpus = 2;
    EXPECT_NE(from_contradiction(options).find("one vCPU"), std::string::npos);
    options.vcpus    = 1;
    options.snapshot = "d";
    options.gdb      = 1234;
    EXPECT_NE(from_contradiction(options).find("--gdb"), std::string::npos);
    options.gdb     = 0;
    options.session = "vm";
    EXPECT_NE(from_contradiction(options).find("--session"), std::string::npos);
    options.session = "";
    EXPECT_EQ(from_contradiction(options), "");
    for (const LieDescription& lie : lies) {
        options.hostile = {};
        EXPECT_EQ(options.hostile.add({.lie = lie.lie, .at = 1, .within = 1}), nullptr);
        EXPECT_EQ(from_contradiction(options).empty(), !is_told_at_launch(lie.lie)) << lie.name;
    }
}

TEST(From, IsANumberOrAddresses) {
    EXPECT_EQ(from_of("7")->vmgexit, 7u);
    EXPECT_EQ(from_of("0x1000-0x2000")->code.begin, 0x1000u);
    EXPECT_EQ(from_of("4096-0x2000")->code.end, 0x2000u);
    for (const char* text : {"7", "0x1000-0x2000"}) {
        EXPECT_EQ(text_of(*from_of(text)), text);
    }
    for (const char* text : {"", "0", "-", "0x2000-0x1000", "1-", "-1", "x", "1-1"}) {
        EXPECT_FALSE(from_of(text)) << text;
    }
    EXPECT_TRUE((CodeRange{1, 3}.contains(1)));
    EXPECT_FALSE((CodeRange{1, 3}.contains(3)));
}

TEST(QemuCommand, DescribesTheMachine) {
    RunOptions options;
    options.file       = "a,b.igvm";
    const auto command = qemu_command(options, files, {.files_size = 3 * mib + 1});
    EXPECT_EQ(command.front(), "qemu-system-x86_64");
    EXPECT_EQ(value_of(command, "-accel"), "tcg");
    EXPECT_EQ(value_of(command, "-kernel"), "/dev/fd////11");
    EXPECT_EQ(value_of(command, "-initrd"), "/dev/fd////12");
    EXPECT_EQ(value_of(command, "-chardev"), "file,id=records,path=/dev/fd////13");
    EXPECT_EQ(value_of(command, "-append"),
              "memory=268435456 platform=sev-es cbit=47 guest=igvm trace=0");
    // 64 MiB of the monitor, 256 MiB of the guest, 3 MiB and a byte rounded up to 4.
    EXPECT_EQ(value_of(command, "-m"), "256M,slots=1,maxmem=580M");
    EXPECT_EQ(value_of(command, "-object"),
              "memory-backend-ram,id=private,size=339738624,reserve=off");
    EXPECT_TRUE(value_of(command, "-cpu").starts_with("EPYC,phys-bits=48,"));
    EXPECT_TRUE(std::ranges::none_of(command, [](const std::string& word) {
        return word.find("a,b.igvm") != std::string::npos;
    }));
}

TEST(QemuCommand, HasRoomForTheMonitorBehindLargeGuests) {
    RunOptions options;
    options.memory     = 16 * gib;
    const auto command = qemu_command(options, files, {.files_size = 1});
    // 64 MiB of the monitor and a 64th of the 17 GiB up to which the guest has memory; these, with
    // the hole; 1 byte rounded up to 2 MiB.
    EXPECT_EQ(value_of(command, "-m"), "16384M,slots=1,maxmem=34130M");
}

TEST(MemoryMap, IsThatOfAPc) {
    constexpr MemoryMap small = memory_map(256 * mib);
    EXPECT_EQ(small.low, 256 * mib);
    EXPECT_EQ(small.high, 0u);
    EXPECT_EQ(small.device(), 4 * gib);
    EXPECT_EQ(small.monitor_size(), 64 * mib);
    EXPECT_EQ(memory_map(3 * gib + 510 * mib).high, 0u);
    const MemoryMap split = memory_map(3 * gib + 512 * mib);
    EXPECT_EQ(split.low, 3 * gib);
    EXPECT_EQ(split.high, 512 * mib);
    EXPECT_EQ(split.end(), 4 * gib + 512 * mib);
    EXPECT_EQ(split.device(), 5 * gib);
    EXPECT_TRUE(split.has(3 * gib - 1));
    EXPECT_FALSE(split.has(3 * gib));
    EXPECT_TRUE(split.has(4 * gib));
    EXPECT_TRUE(split.has(split.end() - 1));
    EXPECT_FALSE(split.has(split.end()));
    EXPECT_EQ(memory_map(16 * gib).device(), 17 * gib);
}

TEST(QemuCommand, PassesOptionsOn) {
    RunOptions options;
    options.platform = "native";
    options.memory   = 32 * mib;
    options.trace    = "t";
    EXPECT_EQ(options.hostile.add({.lie = Lie::no_sev}), nullptr);
    options.qemu           = "/opt/qemu";
    options.qemu_arguments = {"-d", "int"};
    const auto command     = qemu_command(options, files, {.files_size = 1});
    EXPECT_EQ(command.front(), "/opt/qemu");
    EXPECT_EQ(value_of(command, "-append"),
              "memory=33554432 platform=native cbit=47 guest=igvm trace=1 hostile=no-sev");
    // Last, so that they can override.
    EXPECT_EQ(command[command.size() - 2], "-d");
    EXPECT_EQ(command.back(), "int");
}

TEST(QemuCommand, TellsTheSnpMachineWhatItIs) {
    RunOptions options;
    options.platform = "sev-snp";
    options.kind     = GuestKind::firmware;
    options.rmp      = "f";
    options.no_flash = true;
    EXPECT_EQ(monitor_command_line(options),
              "memory=268435456 platform=sev-snp cbit=47 guest=firmware no-flash=1 rmp=1 trace=0");
}

TEST(QemuCommand, DumpsOnlyIntoAFile) {
    RunOptions options;
    EXPECT_EQ(monitor_command_line(options).find("dump"), std::string::npos);
    options.dump = "f";
    EXPECT_TRUE(monitor_command_line(options).ends_with(" dump=1 trace=0"));
}

TEST(QemuCommand, CountsInstructionsOnlyForAProfile) {
    RunOptions options;
    EXPECT_EQ(value_of(qemu_command(options, files, {.files_size = 1}), "-icount"), "");
    options.profile    = true;
    const auto command = qemu_command(options, files, {.files_size = 1});
    EXPECT_EQ(value_of(command, "-icount"), "shift=0,sleep=off");
    EXPECT_TRUE(value_of(command, "-append").ends_with(" profile=1 trace=0"));
}

TEST(QemuCommand, CountsInstructionsForARepeatableRun) {
    RunOptions options;
    options.repeatable = true;
    const auto command = qemu_command(options, files, {.files_size = 1});
    EXPECT_EQ(value_of(command, "-icount"), "shift=0,sleep=off");
    EXPECT_EQ(value_of(command, "-append").find("profile"), std::string::npos);
    EXPECT_TRUE(value_of(command, "-append").ends_with(" counted-time=1 trace=0"));
}

TEST(QemuCommand, HasAProcessorForEachVcpu) {
    RunOptions options;
    EXPECT_EQ(value_of(qemu_command(options, files, {.files_size = 0}), "-smp"), "");
    options.vcpus      = 3;
    const auto command = qemu_command(options, files, {.files_size = 0});
    EXPECT_EQ(value_of(command, "-smp"), "3");
    EXPECT_TRUE(value_of(command, "-append").ends_with(" smp=3 trace=0"));
}

TEST(QemuCommand, StartsFirmwaresOtherVcpusWhereItSays) {
    const RunOptions options;
    const auto command = qemu_command(options, files, {.files_size = 0, .ap_start = 0x80'B004});
    EXPECT_TRUE(value_of(command, "-append").ends_with(" ap-start=8433668 trace=0"));
}

TEST(QemuCommand, PagesInFiveLevelsWhereTheCBitOrTheGuestWantsIt) {
    RunOptions options;
    const auto with = [&options](unsigned c_bit, bool la57) {
        options.c_bit = c_bit;
        options.la57  = la57;
        return qemu_command(options, files, {.files_size = 0});
    };
    EXPECT_EQ(value_of(with(47, false), "-cpu").find("la57"), std::string::npos);
    EXPECT_TRUE(value_of(with(47, true), "-cpu").starts_with("EPYC,phys-bits=48,+la57,"));
    EXPECT_TRUE(value_of(with(51, false), "-cpu").starts_with("EPYC,phys-bits=52,+la57,"));
    EXPECT_TRUE(value_of(with(51, false), "-append").ends_with(" cbit=51 guest=igvm trace=0"));
    EXPECT_TRUE(value_of(with(51, true), "-append").ends_with(" la57=1 trace=0"));
}

TEST(QemuCommand, OffersX2ApicOnlyWhereItIsAskedFor) {
    RunOptions options;
    EXPECT_EQ(monitor_command_line(options).find("x2apic"), std::string::npos);
    options.x2apic = true;
    EXPECT_TRUE(monitor_command_line(options).ends_with(" x2apic=1 trace=0"));
}

TEST(QemuCommand, WaitsForGdbOnThisMachineOnly) {
    RunOptions options;
    EXPECT_EQ(value_of(qemu_command(options, files, {.files_size = 0}), "-gdb"), "");
    options.gdb        = 4321;
    const auto command = qemu_command(options, files, {.files_size = 0});
    EXPECT_EQ(value_of(command, "-gdb"), "chardev:gdb");
    EXPECT_NE(std::ranges::find(command, "-S"), command.end());
}

TEST(QemuCommand, AsksForSlicesOnlyForAPicture) {
    RunOptions options;
    EXPECT_EQ(monitor_command_line(options).find("timeline"), std::string::npos);
    options.timeline = "boot.svg";
    EXPECT_TRUE(monitor_command_line(options).ends_with(" timeline=1 trace=0"));
}

TEST(QemuCommand, HandsOnAKernelsFilesAsModules) {
    RunOptions options;
    options.kind   = GuestKind::kernel;
    options.append = "a, b=c -- d";
    InheritedFiles three{
        .monitor = 11, .guest = {12, 14, 15},
             .records = 13, .orders = 14
    };
    const auto command = qemu_command(options, three, {.files_size = 1});
    EXPECT_EQ(value_of(command, "-initrd"), "/dev/fd////12,/dev/fd////14,/dev/fd////15");
    EXPECT_TRUE(value_of(command, "-append").ends_with(" guest=kernel trace=0"));
}

TEST(Rules, HaveNamesOfTheirOwn) {
    for (const RuleDescription& rule : rules) {
        EXPECT_EQ(
            std::ranges::count(rules, std::string_view{rule.id},
                               [](const RuleDescription& r) { return std::string_view{r.id}; }),
            1)
            << rule.id;
    }
}

TEST(QemuVersion, ReadsTheFirstLine) {
    EXPECT_EQ(
        parse_qemu_version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright (c)"),
        (QemuVersion{7, 2, 22}));
    EXPECT_EQ(parse_qemu_version("QEMU emulator version 10.0.0"), (QemuVersion{10, 0, 0}));
    for (const char* wrong : {"", "QEMU", "QEMU emulator version ", "QEMU emulator version 7",
                              "QEMU emulator version 7.2.", "QEMU emulator version 7,2,22",
                              "QEMU emulator version x.2.22", "GNU bash, version 5.2.15",
                              "QEMU emulator version 99999999999.2.1"}) {
        EXPECT_FALSE(parse_qemu_version(wrong)) << wrong;
    }
}

TEST(QemuVersion, OrdersVersions) {
    EXPECT_LT((QemuVersion{7, 2, 14}), oldest_qemu);
    EXPECT_LT((QemuVersion{6, 9, 99}), oldest_qemu);
    EXPECT_GE((QemuVersion{7, 2, 15}), oldest_qemu);
    EXPECT_GE((QemuVersion{8, 0, 0}), oldest_qemu);
}

} // namespace vestibule::sevsim
