// SPDX-License-Identifier: BSD-2-Clause-Patent
// The whole program on the model of KVM: from arguments to exit status and report.
#include "tests/json/expect_valid.h"
#include "tests/key_file.h"
#include "tests/launcher/fixture.h"

#include "igvm/measure/id_block.h"
#include "kvm/trace.h"
#include "launcher/program.h"

#include <gtest/gtest.h>

#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace vestibule::launcher::test {

namespace {
constexpr std::array<u8, 16> tik = {9, 8, 7, 6, 5, 4, 3, 2, 1};

class LauncherProgram : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "sevlaunch.XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        directory_        = name;
        arguments.json    = true;
        arguments.serial  = path("serial");
        arguments.file    = path("guest.igvm");
        arguments.timeout = 10;
    }

    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }

    void write(const std::string& name, std::span<const u8> bytes) const {
        std::ofstream file(path(name), std::ios::binary);
        file.write(reinterpret_cast<const char*>(bytes.data()), // NOLINT: as bytes
                   static_cast<std::streamsize>(bytes.size()));
    }

    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream file(path(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    void write_base64(const std::string& name, const Bytes& bytes) const {
        Bytes text(bytes.size() * 2);
        text.resize(static_cast<u64>(
            EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()))));
        text.push_back('\n');
        write(name, text);
    }

    /// As `sevctl session --name vm` leaves it, for policy 5.
    void write_session() {
        Bytes blob(128);
        constexpr u8 policy[] = {5, 0, 0, 0};
        std::ranges::copy(igvm::hmac_sha256(tik, policy), blob.begin() + 96);
        write_base64("vm_session.b64", blob);
        write_base64("vm_godh.b64", Bytes(0x824));
        write("vm_tik.bin", tik);
        arguments.session = path("vm");
    }

    /// The exit status of a guest that writes a letter and exits with a code.
    int run(Model& model, u32 code = 0) {
        const auto out = [](u16 port, u32 value) {
            return [=](kvm_run& run) {
                run.exit_reason    = KVM_EXIT_IO;
                run.io.direction   = KVM_EXIT_IO_OUT;
                run.io.port        = port;
                run.io.size        = 1;
                run.io.count       = 1;
                run.io.data_offset = page_size;
                std::memcpy(reinterpret_cast<u8*>(&run) + page_size, &value, 1); // NOLINT
                return 0;
            };
        };
        model.script = {out(0x3F8, 'V'), out(0xF4, code)};
        Program program(arguments);
        const int status = program.run(model);
        report           = program.report();
        json::expect_valid(report.dump());
        return status;
    }

    Arguments arguments;
    Program::Json report;

  private:
    std::filesystem::path directory_;
};
} // namespace

/// The kernel would refuse these: --dry-run says so, and its status too.
TEST_F(LauncherProgram, ADryRunOfARejectedLaunchEndsWithOne) {
    struct Case {
        const char* note; // empty: nothing is wrong
        PlatformType platform;
        u64 policy;
        u64 second_page;
        void (*edit)(x86::Vmsa&);
    };

    constexpr auto snp      = PlatformType::sev_snp;
    constexpr auto es       = PlatformType::sev_es;
    constexpr auto as_it_is = [](x86::Vmsa&) {};
    const Case cases[]      = {
        {"",                             snp, 0x3'0000,   0x2000, as_it_is},
        {"",                             es,  0,          0x2000, as_it_is},
        {"bit 17 of an SNP policy",      snp, 0x1'0000,   0x2000, as_it_is},
        {"no bits above 25",             snp, 0x403'0000, 0x2000, as_it_is},
        {"a migration agent",            snp, 0x7'0000,   0x2000, as_it_is},
        {"each page is launched once",   snp, 0x3'0000,   0x1000, as_it_is},
        {"debug registers in use",       snp, 0x3'0000,   0x2000,
         [](x86::Vmsa& vmsa) { vmsa.dr7 = 0x401; }                        },
        {"SEV_FEATURES has no bits but", snp, 0x3'0000,   0x2000,
         [](x86::Vmsa& vmsa) { vmsa.sev_features |= 8; }                  },
    };
    for (const Case& own : cases) {
        igvm::Writer writer;
        const u32 mask = writer.add_platform(own.platform);
        if (own.policy != 0) {
            writer.add(
                igvm::GuestPolicy{.policy = own.policy, .compatibility_mask = mask, .reserved = 0});
        }
        writer.add_page(igvm::test::page_data(mask, 0x1000), igvm::test::hlt_page());
        writer.add_page(igvm::test::page_data(mask, own.second_page), igvm::test::hlt_page());
        x86::Vmsa vmsa = plain_vmsa(own.platform);
        own.edit(vmsa);
        igvm::test::add_vmsa(writer, mask, vmsa);
        write("guest.igvm", igvm::test::must_finish(writer));
        arguments.dry_run  = true;
        arguments.platform = own.platform == snp ? "snp" : "sev-es";
        kvm::DryKernel kernel;
        Program program(arguments);
        EXPECT_EQ(program.run(kernel), own.note[0] == 0 ? 0 : 1) << own.note;
        json::expect_valid(program.report().dump());
        std::string notes;
        for (const auto& note : program.report()["notes"]) {
            notes += note.get<std::string>() + "\n";
        }
        EXPECT_EQ(notes.find("rejected, ") == std::string::npos, own.note[0] == 0) << notes;
        EXPECT_NE(notes.find(own.note), std::string::npos) << own.note << "; found: " << notes;
        EXPECT_GT(program.report()["plan"].size(), 10u); // what would be called all the same
    }
}

/// The trace's disk is full: the report comes all the same, and the status says that it failed.
TEST_F(LauncherProgram, AFullTraceLosesNoReport) {
    write("guest.igvm", launch_file(PlatformType::sev_snp, {plain_vmsa(PlatformType::sev_snp)}));
    arguments.trace = "/dev/full";
    Model model;
    EXPECT_EQ(run(model), 1);
    EXPECT_EQ(report["outcome"]["words"], "the guest exited with code 0");
    EXPECT_EQ(report["error"], "/dev/full: the trace could not be written");
}

TEST_F(LauncherProgram, RefusesACommandLineWithoutAPlace) {
    write("guest.igvm", launch_file(PlatformType::sev_snp, {plain_vmsa(PlatformType::sev_snp)}));
    arguments.machine.command_line = "quiet";
    Model model;
    EXPECT_EQ(run(model), 1);
    EXPECT_EQ(report["error"], arguments.file
                                   + ": has no place for a command line (COMMAND_LINE), so "
                                     "--append would have no effect");
}

TEST_F(LauncherProgram, LaunchesAndSaysWhatCameOut) {
    for (const auto& [platform, name] : {
             std::pair{PlatformType::sev_es,  "sev-es" },
             std::pair{PlatformType::sev_snp, "sev-snp"}
    }) {
        write("guest.igvm", launch_file(platform, {plain_vmsa(platform)}));
        arguments.trace = path("trace");
        Model model;
        EXPECT_EQ(run(model), 0);
        EXPECT_EQ(read("serial"), "V");
        EXPECT_EQ(report["platform"], name);
        EXPECT_EQ(report["kernel_release"], "7.1.0");
        EXPECT_EQ(report["kernel_profile"], "kvm-7.1");
        EXPECT_EQ(report["kernel_verified"], true);
        EXPECT_EQ(report["launch_digest"], igvm::to_hex(model.digest()));
        EXPECT_EQ(report["outcome"]["kind"], "exit");
        EXPECT_EQ(report["outcome"]["words"], "the guest exited with code 0");
        EXPECT_EQ(report["exits"].dump(), R"([{"name":"IO","count":2}])");
        EXPECT_EQ(report["outcome"]["value"], 0);
        EXPECT_EQ(report.contains("measurement"), platform == PlatformType::sev_es);
        EXPECT_EQ(report.value("firmware", ""),
                  platform == PlatformType::sev_es ? "API 1.55, build 16, initialized" : "");
        EXPECT_EQ(model.open_descriptors(), 1U)
            << "but for /dev/kvm, which the program's end closes";
        json::expect_valid(read("trace"));
        // A JSON object a line: every call, and the exits between them.
        std::istringstream lines(read("trace"));
        unsigned calls = 0;
        unsigned exits = 0;
        for (std::string line; std::getline(lines, line);) {
            const auto object = Program::Json::parse(line);
            calls += object.contains("call") ? 1 : 0;
            exits += object.contains("exit") ? 1 : 0;
            EXPECT_TRUE(object.contains("call") || object.contains("schema")
                        || object["words"].is_string())
                << line;
        }
        EXPECT_GT(calls, 20U);
        EXPECT_EQ(exits, 2U);
    }
}

TEST_F(LauncherProgram, AGuestsOtherCodeIsStatus1) {
    write("guest.igvm", launch_file(PlatformType::sev_es, {plain_vmsa(PlatformType::sev_es)}));
    Model model;
    EXPECT_EQ(run(model, 3), 1);
    EXPECT_EQ(report["outcome"]["value"], 3);
    EXPECT_EQ(report["outcome"]["words"], "the guest exited with code 3");
}

TEST_F(LauncherProgram, TheOwnersSessionConfirmsTheDigest) {
    write("guest.igvm", launch_file(PlatformType::sev_es, {plain_vmsa(PlatformType::sev_es)}));
    Model without;
    EXPECT_EQ(run(without), 0);
    EXPECT_TRUE(report.contains("unchecked"));
    write_session();
    Model model({.tik = tik});
    EXPECT_EQ(run(model), 0);
    EXPECT_TRUE(report.contains("confirmed")) << report;
    // Made for another policy, or another machine: the firmware finds out.
    Model other({.tik = {1}});
    EXPECT_EQ(run(other), 1);
    EXPECT_NE(report["error"].get<std::string>().find("0xb BAD_MEASUREMENT"), std::string::npos)
        << report;
}

TEST_F(LauncherProgram, AnotherMeasurementIsExplainedAndNotRun) {
    write("guest.igvm", launch_file(PlatformType::sev_es, {plain_vmsa(PlatformType::sev_es)}));
    write_session();
    Model model({.forced_features = 0x20, .tik = tik});
    EXPECT_EQ(run(model), 1);
    EXPECT_TRUE(report.contains("mismatch"));
    const std::string explanation = report["explanation"].dump();
    EXPECT_NE(explanation.find("sev_features"), std::string::npos) << explanation;
    EXPECT_NE(explanation.find("0x20"), std::string::npos) << explanation;
    EXPECT_EQ(model.script.size(), 2U) << "it has not run";
}

TEST_F(LauncherProgram, AnIdBlockOfAnotherDigestIsExplained) {
    const Bytes plain = launch_file(PlatformType::sev_snp, {plain_vmsa(PlatformType::sev_snp)});
    // Signed for two vCPUs, launched with one.
    Launching two(plain);
    two.launch(PlatformType::sev_snp, 2);
    const igvm::test::KeyFile key;
    igvm::SnpIdBlock block{};
    block.compatibility_mask = igvm::parse(plain)->mask_of(PlatformType::sev_snp);
    block.version            = 1;
    std::ranges::copy(two.expected.digest, block.ld);
    igvm::sign(block, igvm::default_snp_policy, key.read(), nullptr);
    write("guest.igvm", *igvm::with_id_block(*igvm::parse(plain), block, igvm::default_snp_policy));
    Model one;
    EXPECT_EQ(run(one), 1);
    EXPECT_NE(report["error"].get<std::string>().find("BAD_MEASUREMENT"), std::string::npos);
    EXPECT_NE(report["explanation"].dump().find("2 vCPUs"), std::string::npos) << report;
    arguments.machine.vcpus = 2;
    Model model;
    EXPECT_EQ(run(model), 0) << report;
}

TEST_F(LauncherProgram, AnExpectedDigestIsAskedBeforeTheLaunch) {
    write("guest.igvm", launch_file(PlatformType::sev_snp, {plain_vmsa(PlatformType::sev_snp)}));
    Model model;
    EXPECT_EQ(run(model), 0);
    arguments.expected = report["launch_digest"];
    Model again;
    EXPECT_EQ(run(again), 0);
    arguments.expected = std::string(96, 'a'); // zeros are the digest of nothing
    Model wrong;
    EXPECT_EQ(run(wrong), 1);
    EXPECT_NE(report["explanation"].dump().find("no explanation found"), std::string::npos)
        << report;
    EXPECT_EQ(wrong.open_descriptors(), 1U) << "only /dev/kvm was opened";
}

TEST_F(LauncherProgram, WithoutJsonAnErrorIsThrown) {
    write("guest.igvm", launch_file(PlatformType::sev_es, {}));
    arguments.json = false;
    Model model;
    model.refuse(abi::Sev::launch_finish, EIO, 2);
    EXPECT_THROW(run(model), FirmwareError);
    arguments.json    = true;
    arguments.session = path("none");
    EXPECT_EQ(run(model), 1);
    EXPECT_NE(report["error"].get<std::string>().find("none_godh.b64"), std::string::npos);
    write_session();
    write("vm_tik.bin", Bytes(15));
    EXPECT_EQ(run(model), 1);
    EXPECT_NE(report["error"].get<std::string>().find("found 2084, 128 and 15 bytes, expected"),
              std::string::npos)
        << report;
    write("vm_session.b64", Bytes{'*', '*', '*', '*'});
    EXPECT_EQ(run(model), 1);
    EXPECT_NE(
        report["error"].get<std::string>().find("vm_session.b64: found 4 bytes, expected base64"),
        std::string::npos)
        << report;
    arguments.session.clear();
    arguments.trace = path("no/such/directory");
    Model other;
    EXPECT_EQ(run(other), 1);
    EXPECT_EQ(report["error"], arguments.trace + ": cannot create: No such file or directory");
    EXPECT_FALSE(report.contains("launch_digest")) << "before there is work";
}

} // namespace vestibule::launcher::test
