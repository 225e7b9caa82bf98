// SPDX-License-Identifier: BSD-2-Clause-Patent
// Batches with shell scripts in the place of QEMU: each plan is run once, whatever becomes of QEMU.
#include "sevsim/batch.h"
#include "sevsim/plan_file.h"
#include "sevsim/report_json.h"
#include "tests/json/expect_valid.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace vestibule::sevsim {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::array<unsigned char, 3> monitor{'m', 'o', 'n'};

/// Finds the descriptors in the arguments, as QEMU would (numbers of two digits are for bash); `run
/// N` and `ended N KIND` are what the monitor tells of a run. The plans are the last of the files.
constexpr const char* beginning = R"(#!/bin/bash
if [ "$1" = --version ]; then echo 'QEMU emulator version 7.2.22 (Debian)'; exit 0; fi
for word; do
    case $before in -initrd) plans=${word##*,};; esac
    case $word in
    file,id=records,path=*) records=${word#*path=};;
    socket,id=orders,fd=*) orders=${word##*=};;
    esac
    before=$word
done
run() {
    echo '{"record":"run","index":'$1'}' >$records
    echo '{"record":"start","platform":"sev-es","c_bit":47,"memory":268435456}' >$records
}
ended() {
    echo '{"record":"serial","bytes":"6f 6b 0a"}' >$records
    echo '{"record":"edges","numbers":"02 01 01 00"}' >$records
    echo '{"record":"outcome","kind":"'$2'","value":0}' >$records
}
)";

class Batch : public ::testing::Test {
  protected:
    Batch() {
        std::string name = (fs::temp_directory_path() / "sevsim-test-XXXXXX").string();
        directory_       = mkdtemp(name.data());
        std::ofstream{path("guest.igvm")} << std::string("IGVM") + std::string(60, '\0');
        options_.file     = path("guest.igvm");
        options_.unjudged = true; // the guest is a script
        options_.qemu     = path("qemu");
        options_.timeout  = 20s;
    }

    ~Batch() override { fs::remove_all(directory_); }

    std::string path(const std::string& name) const { return (directory_ / name).string(); }

    void fake_qemu(const std::string& script) const {
        std::ofstream{path("qemu")} << beginning << "cd " << directory_ << "\n" << script;
        chmod(path("qemu").c_str(), 0700);
    }

    /// "0 nmi@0x1 exit; 1 ..." of each run as it ends; what went wrong behind that.
    std::string run(std::string_view text) {
        std::string all;
        const auto plans = parse_plans(text);
        const auto ran =
            run_plans(options_, *plans, monitor, [&](std::size_t index, const RunResult& result) {
                all += std::to_string(index) + " " + result.hostility + " "
                       + std::string{end_name(result)} + "; ";
                last_ = result;
                return index + 1 != most_;
            });
        return ran ? all : all + ran.error();
    }

    fs::path directory_;
    RunOptions options_;
    RunResult last_{};
    std::size_t most_ = 0;
};

} // namespace

TEST_F(Batch, RunsEachPlanInOneMachine) {
    fake_qemu(R"(
cat $plans >plans
run 0; ended 0 exit; run 1; ended 1 power-off; run 2; ended 2 reset
echo one >>starts
exit 1
)");
    EXPECT_EQ(run("nmi@1\n---\n---\nno-sev\nnmi@2\n"),
              "0 nmi@1 exit; 1  power-off; 2 no-sev nmi@2 reset; ");
    std::ifstream file{path("plans")};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    EXPECT_EQ(text, "nmi@1\n---\n---\nno-sev\nnmi@2\n---\n");
    EXPECT_EQ(last_.output, "ok\n");
    EXPECT_EQ(last_.records.edges, (std::vector<u16>{1, 0x102}));
    const std::string line = planned_run_json(last_, options_, 2);
    EXPECT_EQ(std::ranges::count(line, '\n'), 1);
    EXPECT_TRUE(line.contains(R"("plan":2,"lies":["no-sev","nmi@2"],"output":"ok\n")")) << line;
    json::expect_valid(line);
}

TEST_F(Batch, GoesOnWithTheNextPlanWhereQemuDies) {
    fake_qemu(R"(
if [ ! -e died ]; then
    touch died; run 0; ended 0 exit; run 1; kill -9 $$
fi
cat $plans >plans
run 0; ended 0 exit
exit 1
)");
    EXPECT_EQ(run("nmi@1\n---\nnmi@2\n---\nnmi@3\n---\n"),
              "0 nmi@1 exit; 1 nmi@2 qemu-killed; 2 nmi@3 exit; ");
    std::ifstream file{path("plans")};
    std::string first;
    std::getline(file, first);
    EXPECT_EQ(first, "nmi@3");
}

TEST_F(Batch, EndsARunThatDoesNot) {
    options_.timeout = 300ms;
    fake_qemu(R"(
run 0
read -r order <&$orders
[ "$order" = nmi ] || exit 3
ended 0 host; run 1; ended 1 exit
echo one >>starts
exit 1
)");
    EXPECT_EQ(run("nmi@1\n---\nnmi@2\n"), "0 nmi@1 timeout; 1 nmi@2 exit; ");
    EXPECT_EQ(fs::file_size(path("starts")), 4u);
}

TEST_F(Batch, KillsAMachineThatDoesNotObey) {
    options_.timeout = 300ms;
    fake_qemu(R"(
if [ ! -e began ]; then
    touch began; run 0; exec sleep 20
fi
run 0; ended 0 exit
exit 1
)");
    EXPECT_EQ(run("nmi@1\n---\nnmi@2\n"), "0 nmi@1 timeout; 1 nmi@2 exit; ");
}

TEST_F(Batch, DoesNotTakeTheOrderForAnotherRunsEnd) {
    // The order was on its way when the run ended that it was for.
    fake_qemu(R"(
if [ ! -e began ]; then
    touch began; run 0; ended 0 exit; run 1; ended 1 host; run 2; ended 2 exit; exec sleep 20
fi
cat $plans >plans
run 0; ended 0 exit; run 1; ended 1 exit
exit 1
)");
    EXPECT_EQ(run("nmi@1\n---\nnmi@2\n---\nnmi@3\n"), "0 nmi@1 exit; 1 nmi@2 exit; 2 nmi@3 exit; ");
}

TEST_F(Batch, StopsWhereNobodyWantsMore) {
    most_ = 1;
    fake_qemu("run 0; ended 0 exit; run 1; ended 1 exit; exec sleep 20\n");
    EXPECT_EQ(run("nmi@1\n---\nnmi@2\n"), "0 nmi@1 exit; ");
}

TEST_F(Batch, SaysWhyNothingRuns) {
    fake_qemu("exit 7\n");
    EXPECT_EQ(run("nmi@1\n"),
              "QEMU ended with status 7 before the guest did; the monitor had not said "
              "that it started");
    fake_qemu(R"(echo '{"record":"outcome","kind":"monitor-error","detail":"no"}' >$records)"
              "\nexit 1\n");
    EXPECT_EQ(run("nmi@1\n"), "no");
    options_.platform = "native";
    EXPECT_TRUE(run("nmi@1\n").starts_with("--plans is for sev-es and sev-snp"));
    options_.platform       = "sev-es";
    options_.qemu_arguments = {"-M", "q35"};
    EXPECT_TRUE(run("nmi@1\n").starts_with("--plans cannot reset"));
    options_.qemu_arguments.clear();
    options_.vcpus = 2;
    EXPECT_TRUE(run("nmi@1\n").starts_with("--plans starts a guest anew on one vCPU"));
}

} // namespace vestibule::sevsim
