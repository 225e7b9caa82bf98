// SPDX-License-Identifier: BSD-2-Clause-Patent
// Whole runs with shell scripts in the place of QEMU: what comes back, and that nothing stays
// behind.
#include "igvm/format/writer.h"
#include "sevsim/guest_file.h"
#include "sevsim/run.h"
#include "x86/vmsa.h"

#include <array>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>

namespace vestibule::sevsim {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::array<unsigned char, 3> monitor{'m', 'o', 'n'};

constexpr const char* version_7_2_22 = "QEMU emulator version 7.2.22 (Debian)";

/// Finds the descriptors in the arguments, as QEMU would.
constexpr const char* find_files = R"(
for word; do
    case $before in -kernel) kernel=$word;; -initrd) initrd=$word;; -append) append=$word;; esac
    case $word in file,id=records,path=*) records=${word#*path=};; esac
    before=$word
done
)";

class SevsimRun : public ::testing::Test {
  protected:
    SevsimRun() {
        std::string name = (fs::temp_directory_path() / "sevsim-test-XXXXXX").string();
        directory_       = mkdtemp(name.data());
        write("guest.igvm", std::string("IGVM") + std::string(60, '\0'));
        options_.file     = path("guest.igvm");
        options_.unjudged = true; // the guest is a script
        options_.qemu     = path("qemu");
        options_.timeout  = 20s;
        output_ = Descriptor{open(path("output").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
        options_.output = output_.get();
        input_from("/dev/null"); // ours may be a pipe that nobody closes
    }

    ~SevsimRun() override {
        dup2(input_before_.get(), STDIN_FILENO);
        fs::remove_all(directory_);
    }

    static void input_from(const std::string& file) {
        const Descriptor input{open(file.c_str(), O_RDONLY | O_CLOEXEC)};
        dup2(input.get(), STDIN_FILENO);
    }

    std::string path(const std::string& name) const { return (directory_ / name).string(); }

    void write(const std::string& name, std::string_view text) const {
        std::ofstream{path(name), std::ios::binary} << text;
    }

    std::string read(const std::string& name) const {
        std::ifstream file{path(name), std::ios::binary};
        return {std::istreambuf_iterator<char>{file}, {}};
    }

    /// A program that answers --version as QEMU does and otherwise does as `script` says.
    void fake_qemu(const std::string& script, const std::string& version = version_7_2_22) const {
        write("qemu", "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '" + version
                          + "'; exit 0; fi\n" + find_files + script);
        chmod(path("qemu").c_str(), 0700);
    }

    auto run() const { return run_guest(options_, monitor); }

    /// The error of a run that did not start.
    std::string failure() const {
        const auto result = run();
        return result ? "it started" : result.error();
    }

    /// That the process whose number the script has left in `name` is gone, at the latest in a
    /// second.
    bool gone(const std::string& name) const {
        const int pid = std::stoi(read(name));
        for (int i = 0; i < 100; ++i) {
            if (kill(pid, 0) != 0 || is_zombie(pid)) {
                return true;
            }
            std::this_thread::sleep_for(10ms);
        }
        return false;
    }

    /// Dead, but its new parent has not looked yet.
    static bool is_zombie(int pid) {
        std::ifstream status{"/proc/" + std::to_string(pid) + "/stat"};
        std::string number;
        std::string command;
        std::string state;
        status >> number >> command >> state;
        return state == "Z";
    }

    fs::path directory_;
    RunOptions options_;
    Descriptor output_;
    Descriptor input_before_{fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)};
};

} // namespace

TEST_F(SevsimRun, GivesFilesAndCollectsOutputAndRecords) {
    options_.trace = path("trace");
    options_.dump  = path("dump");
    fake_qemu(R"(
cat $kernel; head -c 4 $initrd; echo; cat
echo '{"record":"vc"}' >$records
echo '{"record":"dump","bytes":"41 42 0a"}' >$records
echo '{"record":"outcome","kind":"exit","value":0}' >$records
exit 1
)");
    const auto result = run();
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(read("output"), "monIGVM\n");
    EXPECT_EQ(read("dump"), "AB\n");
    EXPECT_EQ(read("trace"), R"({"schema":"vestibule.trace/1","record":"trace"}
{"record":"vc"}
{"record":"outcome","kind":"exit","value":0}
)");
    EXPECT_EQ(result->records.malformed, 0u);
    EXPECT_EQ(exit_status(*result), 0); // isa-debug-exit can never make QEMU's status 0
}

TEST_F(SevsimRun, PassesOnMuchInputInOrder) {
    std::string lines;
    for (int number = 0; number < 100'000; ++number) {
        lines += std::to_string(number) + '\n';
    }
    write("input", lines);
    fake_qemu("sleep 0.2; cat >" + path("taken")); // longer than a pipe takes all of it
    input_from(path("input"));
    const auto result = run();
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(read("taken"), lines);
}

TEST_F(SevsimRun, PassesOnMuchOutputInOrder) {
    fake_qemu("seq 1 200000; printf end");
    const auto result = run();
    ASSERT_TRUE(result);
    const std::string output = read("output");
    EXPECT_EQ(output.size(), 1288895u + 3);
    EXPECT_TRUE(output.ends_with("199999\n200000\nend"));
    EXPECT_TRUE(result->line_open);
}

TEST_F(SevsimRun, ExitWithoutOutcome) {
    fake_qemu("exit 7");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->qemu.how, Ending::exited);
    EXPECT_EQ(result->qemu.value, 7);
    EXPECT_EQ(exit_status(*result), 1);
}

TEST_F(SevsimRun, KilledBySignal) {
    fake_qemu("kill -SEGV $$");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->qemu.how, Ending::killed);
    EXPECT_EQ(result->qemu.value, SIGSEGV);
}

TEST_F(SevsimRun, TimeoutLeavesNoProcess) {
    options_.timeout = 300ms;
    fake_qemu("echo $$ >" + path("pid") + "; sleep 100 & echo $! >" + path("child") + "; wait");
    const auto before = std::chrono::steady_clock::now();
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->qemu.how, Ending::timed_out);
    EXPECT_LT(std::chrono::steady_clock::now() - before,
              2500ms); // the order, which nobody follows here, and SIGTERM were enough
    EXPECT_TRUE(gone("pid"));
    EXPECT_TRUE(gone("child"));
}

TEST_F(SevsimRun, DeafProcessIsKilled) {
    options_.timeout = 300ms;
    fake_qemu("trap '' TERM; echo $$ >" + path("pid") + "; while :; do sleep 0.05; done");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->qemu.how, Ending::timed_out);
    EXPECT_TRUE(gone("pid"));
}

TEST_F(SevsimRun, ChildThatOutlivesItsParentIsKilled) {
    fake_qemu("sleep 100 & echo $! >" + path("child") + "; exit 3");
    const auto before = std::chrono::steady_clock::now();
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->qemu.how, Ending::exited);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 60s); // though it held the pipes open
    EXPECT_TRUE(gone("child"));
}

TEST_F(SevsimRun, HangAfterOutcomeIsCutShort) {
    fake_qemu(R"(echo '{"record":"outcome","kind":"exit","value":0}' >$records; sleep 100)");
    const auto before = std::chrono::steady_clock::now();
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 60s);
    EXPECT_EQ(exit_status(*result), 0);
}

TEST_F(SevsimRun, SignalEndsIt) {
    const std::string self = std::to_string(getpid());
    fake_qemu("echo $$ >" + path("pid") + "; kill -INT " + self + "; sleep 100");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->qemu.how, Ending::interrupted);
    EXPECT_EQ(result->qemu.value, SIGINT);
    EXPECT_EQ(exit_status(*result), 130);
    EXPECT_TRUE(gone("pid"));
}

TEST_F(SevsimRun, WithoutATimeLimit) {
    options_.timeout = 0ms;
    fake_qemu("sleep 0.7; exit 7");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->qemu.how, Ending::exited);
    EXPECT_EQ(result->qemu.value, 7);
}

/// A full disk is no reason to keep the report back.
TEST_F(SevsimRun, FullDisksLoseNoReport) {
    for (std::string RunOptions::* output :
         {&RunOptions::trace, &RunOptions::dump, &RunOptions::timeline, &RunOptions::rmp}) {
        RunOptions own = options_;
        own.*output    = "/dev/full";
        std::swap(own, options_);
        fake_qemu(R"(echo '{"record":"exit","vcpu":0}' >$records
            echo '{"record":"dump","bytes":"00 11"}' >$records
            echo '{"record":"outcome","kind":"exit","value":0}' >$records)");
        const auto result = run();
        ASSERT_TRUE(result) << result.error();
        ASSERT_TRUE(result->records.outcome);
        EXPECT_EQ(result->records.outcome->kind, OutcomeKind::exit);
        EXPECT_EQ(result->unwritten,
                  std::vector<std::string>{"/dev/full: No space left on device"});
        EXPECT_EQ(exit_status(*result), 1);
        std::swap(own, options_);
    }
}

/// The host judges the file, and the machine is what the file says.
TEST_F(SevsimRun, TheFileSaysWhatTheMachineIs) {
    options_.unjudged = false;
    fake_qemu("echo \"$append\" >" + path("append"));
    EXPECT_NE(failure().find("offset 0x4: found 0x0, expected format version"), std::string::npos)
        << failure();
    EXPECT_FALSE(fs::exists(path("append"))) << "QEMU has started";

    igvm::Writer writer;
    const u32 mask = writer.add_platform(igvm::PlatformType::sev_es);
    x86::Vmsa vmsa{};
    vmsa.cr0 = 0x8000'0011;
    vmsa.cr3 = 0x1000;
    std::vector<u8> page(sizeof(vmsa));
    std::memcpy(page.data(), &vmsa, sizeof(vmsa));
    for (const u16 vcpu : {u16{0}, u16{1}, u16{2}}) {
        writer.add(igvm::VpContext{.gpa                = x86::vmsa_gpa,
                                   .compatibility_mask = mask,
                                   .file_offset        = 0,
                                   .vp_index           = vcpu,
                                   .reserved           = 0},
                   page);
    }
    std::vector<u8> table(page_size);
    const u64 entry = bit(51) | 0x2003;
    std::memcpy(table.data() + 8, &entry, sizeof(entry));
    writer.add_page({.gpa                = 0x1000,
                     .compatibility_mask = mask,
                     .file_offset        = 0,
                     .flags              = 0,
                     .data_type          = igvm::PageDataType::normal,
                     .reserved           = 0},
                    table);
    const std::vector<u8> file = writer.finish().value();
    write("guest.igvm", {reinterpret_cast<const char*>(file.data()), file.size()});
    EXPECT_TRUE(run());
    EXPECT_NE(read("append").find(" cbit=51 "), std::string::npos) << read("append");
    EXPECT_NE(read("append").find(" smp=3"), std::string::npos) << read("append");

    options_.c_bit       = 47;
    options_.c_bit_given = true;
    EXPECT_EQ(failure(),
              options_.file
                  + ": its page tables have the C-bit at 51, so --cbit 47 contradicts it");
    options_.c_bit       = 51;
    options_.vcpus_given = true;
    EXPECT_EQ(failure(), options_.file + ": it starts 3 vCPUs, so --smp 1 contradicts it");
    options_.vcpus = 3;
    EXPECT_TRUE(run());
    options_.platform = "sev-snp";
    EXPECT_EQ(failure(), options_.file
                             + ": found platforms sev-es, expected sev-snp among them (see "
                               "--platform)");
}

TEST_F(SevsimRun, DiesWithUs) {
    fake_qemu("echo $$ >" + path("pid.new") + "; mv " + path("pid.new") + " " + path("pid")
              + "; exec sleep 100");
    const pid_t us = fork();
    if (us == 0) {
        _exit(run() ? 0 : 1);
    }
    for (int i = 0; i < 500 && !fs::exists(path("pid")); ++i) {
        std::this_thread::sleep_for(10ms);
    }
    kill(us, SIGKILL);
    waitpid(us, nullptr, 0);
    EXPECT_TRUE(gone("pid"));
}

TEST_F(SevsimRun, StoppedReaderDoesNotStopTheClock) {
    // Nobody reads this pipe; it is full after 64 KiB.
    auto pipe        = Pipe::open();
    options_.output  = pipe->write.get();
    options_.timeout = 500ms;
    fake_qemu("yes");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->qemu.how, Ending::timed_out);
}

TEST_F(SevsimRun, GoneReaderEndsIt) {
    auto pipe = Pipe::open();
    pipe->read.close();
    options_.output = pipe->write.get();
    fake_qemu("echo $$ >" + path("pid") + "; yes");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->unwritten,
              std::vector<std::string>{"the guest's output could not be written"});
    EXPECT_EQ(exit_status(*result), 1);
    EXPECT_TRUE(gone("pid"));
}

TEST_F(SevsimRun, GarbageOnTheRecordsPort) {
    fake_qemu("head -c 300000 /dev/urandom >$records");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_GT(result->records.malformed, 0u);
    EXPECT_EQ(exit_status(*result), 1);
}

TEST_F(SevsimRun, RecordCutOffByTheEndIsCounted) {
    fake_qemu(R"(printf '{"record":"violation"' >$records)");
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->records.malformed, 1u);
}

TEST_F(SevsimRun, OldQemuIsRefused) {
    fake_qemu("echo started", "QEMU emulator version 7.2.14");
    EXPECT_NE(failure().find("is QEMU 7.2.14; 7.2.15 or newer"), std::string::npos) << failure();
    EXPECT_EQ(read("output"), "");
}

TEST_F(SevsimRun, WhatIsNotQemuIsRefused) {
    fake_qemu("", "GNU bash, version 5.2.15");
    EXPECT_NE(failure().find("got 'GNU bash, version 5.2.15'"), std::string::npos) << failure();
    options_.qemu = path("nothing");
    EXPECT_NE(failure().find("package qemu-system-x86"), std::string::npos) << failure();
    EXPECT_NE(failure().find("No such file"), std::string::npos) << failure();
}

TEST_F(SevsimRun, GuestFileIsChecked) {
    fake_qemu("echo started");

    struct Case {
        const char* content;
        std::size_t size;
        const char* why;
    };

    for (const Case& file : {
             Case{"",                        0,  "empty"               },
             {"MGVI",                    4,  "expected the bytes"  },
             {"IG",                      2,  "expected the bytes"  },
             {"IGVM",                    4,  "cut off at offset 4" },
             {"IGVM...................", 23, "cut off at offset 23"},
    }) {
        write("guest.igvm", {file.content, file.size});
        const std::string error = failure();
        EXPECT_TRUE(error.starts_with(options_.file + ": ")) << error;
        EXPECT_NE(error.find(file.why), std::string::npos) << error;
    }
    fs::resize_file(options_.file, gib + 1);
    EXPECT_NE(failure().find("larger than the 1 GiB"), std::string::npos) << failure();
    fs::remove(options_.file);
    EXPECT_NE(failure().find("No such file"), std::string::npos) << failure();
    mkfifo(options_.file.c_str(), 0600);
    EXPECT_NE(failure().find("not a regular file"), std::string::npos) << failure();
    options_.file = path("");
    EXPECT_NE(failure().find("not a regular file"), std::string::npos) << failure();
}

TEST_F(SevsimRun, KernelIsChecked) {
    fake_qemu("echo started");
    options_.kind = GuestKind::kernel;
    write("guest.igvm", std::string(2000, 'x'));
    EXPECT_NE(failure().find("expected the bytes 'HdrS' at offset 0x202"), std::string::npos);
    std::string kernel(2000, '\0');
    kernel.replace(0x202, 4, "HdrS");
    kernel[0x206] = 9;
    kernel[0x207] = 2;
    write("guest.igvm", kernel);
    EXPECT_NE(failure().find("boot protocol 2.09; expected 2.10"), std::string::npos) << failure();
    kernel[0x206] = 10;
    write("guest.igvm", kernel);
    EXPECT_NE(failure().find("a zImage"), std::string::npos) << failure();
    kernel[0x211] = 1;
    write("guest.igvm", kernel);
    EXPECT_TRUE(run());
    options_.initrd = path("nothing");
    EXPECT_NE(failure().find(options_.initrd), std::string::npos) << failure();
}

TEST_F(SevsimRun, KernelsCommandLineIsAFileOfItsOwn) {
    options_.kind   = GuestKind::kernel;
    options_.append = "a=b,c -- d";
    options_.initrd = path("initrd");
    write("initrd", "INITRD");
    std::string kernel(2000, '\0');
    kernel.replace(0x202, 4, "HdrS");
    kernel[0x206] = 15;
    kernel[0x207] = 2;
    kernel[0x211] = 1;
    write("guest.igvm", kernel);
    fake_qemu(R"(IFS=,; set -- $initrd; tr '\0' '!' <$2; cat $3)");
    ASSERT_TRUE(run());
    EXPECT_EQ(read("output"), "a=b,c -- d!INITRD");
}

TEST_F(SevsimRun, FirmwareIsChecked) {
    fake_qemu("echo started");
    options_.kind = GuestKind::firmware;
    write("guest.igvm", std::string(5000, 'x'));
    EXPECT_NE(failure().find("whole 4 KiB pages"), std::string::npos) << failure();
    write("guest.igvm", std::string(8192, '\xFF'));
    EXPECT_NE(failure().find("no code at the reset vector"), std::string::npos) << failure();
    write("guest.igvm", std::string(8191, '\xFF') + '\0');
    EXPECT_TRUE(run());
}

/// The end of a volume with a table of one entry, the SEV-ES reset block.
std::string firmware_with_reset_block() {
    // 00f771de-1a7e-4fcb-890e-68c77e2fb44e and 96b582de-1fb2-45f7-baea-a366c55a082d, as they lie.
    constexpr char table[] = "\x04\xB0\x80\x00\x16\x00"
                             "\xDE\x71\xF7\x00\x7E\x1A\xCB\x4F\x89\x0E\x68\xC7\x7E\x2F\xB4\x4E"
                             "\x28\x00"
                             "\xDE\x82\xB5\x96\xB2\x1F\xF7\x45\xBA\xEA\xA3\x66\xC5\x5A\x08\x2D";
    std::string volume(8192, '\0');
    volume.back() = '\xE9';
    return volume.replace(8192 - 32 - (sizeof table - 1), sizeof table - 1, table,
                          sizeof table - 1);
}

TEST_F(SevsimRun, FirmwareSaysWhereItsOtherVcpusStart) {
    fake_qemu("echo \"$append\"");
    options_.kind  = GuestKind::firmware;
    options_.vcpus = 2;
    write("guest.igvm", std::string(8191, '\xFF') + '\0');
    EXPECT_NE(failure().find("no SEV-ES reset block"), std::string::npos) << failure();
    std::string volume = firmware_with_reset_block();
    write("guest.igvm", volume);
    ASSERT_TRUE(run());
    EXPECT_NE(read("output").find("ap-start=8433668"), std::string::npos) << read("output");
    volume[8192 - 32 - 18] = '\x7F'; // the table's length
    volume[8192 - 32 - 17] = '\x7F';
    write("guest.igvm", volume);
    EXPECT_NE(failure().find("0x7f7f at offset 0x1fce"), std::string::npos) << failure();
    options_.vcpus = 1;
    EXPECT_TRUE(run());
}

TEST_F(SevsimRun, FileMustFitIntoMemory) {
    fake_qemu("echo started");
    options_.memory = smallest_guest;
    fs::resize_file(options_.file, 14 * mib + 1);
    EXPECT_NE(failure().find("do not fit"), std::string::npos) << failure();
    fs::resize_file(options_.file, 14 * mib);
    EXPECT_TRUE(run());
}

TEST_F(SevsimRun, UnwritableTraceIsRefused) {
    fake_qemu("echo started");
    options_.trace = path("no/such/directory");
    EXPECT_NE(failure().find(options_.trace), std::string::npos) << failure();
    options_.trace = "";
    options_.dump  = path("no/such/dump");
    EXPECT_NE(failure().find(options_.dump), std::string::npos) << failure();
    EXPECT_EQ(read("output"), "");
}

} // namespace vestibule::sevsim
