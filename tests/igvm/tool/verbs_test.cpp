// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool's verbs as their users meet them: show's forms, diff, check, sign and verify; and every
// example of every help text, run as it is printed.
#include "tests/igvm/launch_fixture.h"
#include "tests/igvm/payload_fixture.h"
#include "tests/igvm/rich_file.h"
#include "tests/igvm/tool/fixture.h"

#include "igvm/measure/attestation_report.h"
#include "igvm/measure/sev_session.h"
#include "igvm/tool/file_io.h"
#include "tests/key_file.h"

#include <nlohmann/json.hpp>

#include <sstream>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace vestibule::igvm::test {

using Json = nlohmann::json;

TEST_F(IgvmTool, ShowsJsonAndPicture) {
    write("rich.igvm", must_finish(rich_writer(2)));
    const auto json = run("show rich.igvm --json");
    EXPECT_EQ(json.status, 0) << json.errors;
    EXPECT_EQ(Json::parse(json.out).at("file"), "rich.igvm");
    const auto picture = run("show rich.igvm --svg rich.svg");
    EXPECT_EQ(picture.status, 0) << picture.errors;
    EXPECT_EQ(picture.out, "");
    EXPECT_TRUE(read("rich.svg").starts_with("<svg "));
    EXPECT_EQ(run("show rich.igvm --svg none/rich.svg").status, 1);
}

TEST_F(IgvmTool, DiffEndsLikeDiff) {
    EXPECT_EQ(run("build --out a").status, 0);
    EXPECT_EQ(run("build --platform sev-es --out b").status, 0);
    const auto same = run("diff a a");
    EXPECT_EQ(same.status, 0);
    EXPECT_EQ(same.out, "the same bytes\n");
    const auto different = run("diff a b");
    EXPECT_EQ(different.status, 1);
    EXPECT_EQ(different.errors, "");
    EXPECT_TRUE(contains(different.out, "native: platform: supported | (none)")) << different.out;
    const auto json = run("diff a b --json");
    EXPECT_EQ(json.status, 1);
    const Json object = Json::parse(json.out);
    EXPECT_EQ(object.at("same"), false);
    EXPECT_EQ(object.at("differences")[0].at("kind"), "platform");
    EXPECT_EQ(object.at("differences")[0].at("right"), nullptr);
    for (const char* trouble : {"diff a none", "diff a", "diff", "diff a b c"}) {
        const auto outcome = run(trouble);
        EXPECT_EQ(outcome.status, 2) << trouble;
        EXPECT_TRUE(contains(outcome.errors, "igvmtool: ")) << trouble;
    }
    // A file with the same content, laid out in another way.
    Bytes other = must_finish(rich_writer(1));
    write("c", other);
    other.push_back(0);
    store(other, offsetof(FixedHeader, total_file_size), static_cast<u32>(other.size()));
    reseal(other);
    write("d", other);
    const auto layout = run("diff c d");
    EXPECT_EQ(layout.status, 0);
    EXPECT_EQ(layout.out, "the same content, laid out differently\n");
}

TEST_F(IgvmTool, Checks) {
    EXPECT_EQ(run("build --out guest.igvm").status, 0);
    const auto good = run("check guest.igvm --vmm qemu");
    EXPECT_EQ(good.status, 0) << good.out;
    EXPECT_TRUE(contains(good.out, "launched as it stands"));
    const auto changed = run("check guest.igvm --vmm qemu-10.2");
    EXPECT_EQ(changed.status, 1);
    for (const char* part : {"ignores on sev-es, offset 0x",
                             "VP_CONTEXT), mxcsr: found 0x1f80, "
                             "becomes 0x0",
                             "[vmsa-field; holds for qemu-10.1, qemu-10.2, qemu-11.1, kvm-6.1"}) {
        EXPECT_TRUE(contains(changed.out, part)) << part << " in\n" << changed.out;
    }
    const auto refused = run("check guest.igvm --vmm cloud-hypervisor --json");
    EXPECT_EQ(refused.status, 1);
    const Json object = Json::parse(refused.out);
    EXPECT_EQ(object.at("launches"), Json::array());
    EXPECT_EQ(object.at("findings")[0].at("verdict"), "rejects");
    EXPECT_EQ(run("build --out snp.igvm --platform snp --policy smt=off,ciphertext-hiding").status,
              0);
    const auto old = run("check snp.igvm --vmm cloud-hypervisor --kernel 6.12.38");
    EXPECT_EQ(old.status, 1);
    EXPECT_TRUE(contains(old.out, "kernel 6.12.38, taken as kvm-6.12\n")) << old.out;
    EXPECT_TRUE(contains(old.out, "rejects on sev-snp")) << old.out;
    EXPECT_TRUE(contains(old.out, "snp-policy-kernel")) << old.out;
    EXPECT_TRUE(contains(run("check snp.igvm --vmm cloud-hypervisor").out, "depends on sev-snp"));
    EXPECT_TRUE(contains(run("check snp.igvm --vmm cloud-hypervisor --kernel 8.0").out,
                         "kvm-7.2, not verified"));
    EXPECT_TRUE(contains(run("check snp.igvm --vmm qemu").out,
                         "give: -object sev-snp-guest,...,policy=0x1020000"));
    EXPECT_EQ(run("check snp.igvm --vmm igvm --kernel 6.12").status, 2);
    EXPECT_EQ(run("check snp.igvm --vmm qemu --kernel x").status, 2);
    EXPECT_EQ(run("check --markdown").status, 0);
    const auto list = run("check --list");
    EXPECT_EQ(list.status, 0);
    for (const char* name : {"qemu-9.1", "qemu-11.1", "kvm-6.8", "kvm-7.1", "cloud-hypervisor",
                             "openvmm", "ec2", "gce"}) {
        EXPECT_TRUE(contains(list.out, std::string("\n") + name + " ")) << name;
    }
    for (const char* wrong :
         {"check", "check guest.igvm", "check --vmm qemu", "check guest.igvm --vmm qemu-3"}) {
        EXPECT_EQ(run(wrong).status, 2) << wrong;
    }
    EXPECT_EQ(run("check none --vmm qemu").status, 1);
}

TEST_F(IgvmTool, SignsAndVerifies) {
    write("snp.igvm", worked_file());
    const std::string key = "openssl ecparam -name secp384r1 -genkey -noout -out ";
    ASSERT_EQ(shell(key + "id.pem && " + key
                    + "author.pem && openssl ecparam -name prime256v1 "
                      "-genkey -noout -out other.pem")
                  .status,
              0);
    const std::string sign = "sign snp.igvm --id-key id.pem --out signed.igvm ";
    const auto done        = run(sign
                                 + "--author-key author.pem --guest-svn 3 --policy 0xb0000 "
                                          "--family-id 000102030405060708090a0b0c0d0e0f --json");
    ASSERT_EQ(done.status, 0) << done.errors;
    const Json object = Json::parse(done.out);
    // The worked example's digest, as the IGVM notes have it.
    EXPECT_EQ(object.at("launch_digest"),
              "39273dad983044da8fe11dbce0cb7cd5f9eebe8c2ca24a544f63bc531a9bd156"
              "f0020398801a39d813f28bf651c3d0cf");
    EXPECT_EQ(object.at("policy"), "0xb0000");
    EXPECT_EQ(object.at("id_block").get<std::string>().size(), 128u);
    EXPECT_EQ(object.at("id_auth").get<std::string>().size(), 5464u);

    const auto valid = run("verify signed.igvm --json");
    EXPECT_EQ(valid.status, 0) << valid.out << valid.errors;
    const Json verified = Json::parse(valid.out);
    EXPECT_EQ(verified.at("valid"), true);
    EXPECT_EQ(verified.at("guest_svn"), 3);
    EXPECT_EQ(verified.at("family_id"), "000102030405060708090a0b0c0d0e0f");
    EXPECT_EQ(verified.at("id_key_digest"), object.at("id_key_digest"));
    EXPECT_EQ(verified.at("author_key_digest"), object.at("author_key_digest"));
    const auto diffed = run("diff snp.igvm signed.igvm");
    EXPECT_EQ(diffed.status, 1);
    EXPECT_EQ(diffed.out, "sev-snp: GUEST_POLICY: policy: 0x30000 | 0xb0000\n"
                          "sev-snp: SNP_ID_BLOCK: (none) | present\n");

    // A page changed behind the signature's back.
    std::string text = read("signed.igvm");
    text[text.size() - 5000] ^= 1;
    write("changed.igvm", Bytes(text.begin(), text.end()));
    const auto changed = run("verify changed.igvm");
    EXPECT_EQ(changed.status, 1);
    EXPECT_TRUE(contains(changed.out, "wrong: the launch digest is ")) << changed.out;
    EXPECT_TRUE(contains(changed.errors, "changed.igvm: offset 0x")) << changed.errors;

    const std::string digest(96, 'a');
    EXPECT_EQ(run(sign + "--digest " + digest).status, 0);
    EXPECT_EQ(run("verify signed.igvm").status, 1);
    EXPECT_EQ(run("verify signed.igvm --digest " + digest).status, 0);

    for (const char* wrong : {"--digest abc", "--family-id 00", "--vmm nobody", "--policy x"}) {
        EXPECT_EQ(run(sign + wrong).status, 2) << wrong;
    }
    EXPECT_EQ(run("sign snp.igvm --out signed.igvm").status, 2);
    EXPECT_EQ(run("sign snp.igvm --id-key other.pem --out x.igvm").status, 1);
    EXPECT_EQ(run("sign snp.igvm --id-key snp.igvm --out x.igvm").status, 1);
    EXPECT_EQ(run("verify snp.igvm").status, 1);
    EXPECT_EQ(run("build --out native.igvm --platform native").status, 0);
    const auto no_snp = run("sign native.igvm --id-key id.pem --out x.igvm");
    EXPECT_EQ(no_snp.status, 1);
    EXPECT_TRUE(contains(no_snp.errors, "no platform SEV_SNP")) << no_snp.errors;
    EXPECT_EQ(read("x.igvm"), "");
}

/// A search that takes long, cut off: how far it is stands on a terminal and nowhere else.
TEST_F(IgvmTool, ProgressOnATerminalAlone) {
    ASSERT_EQ(run("build --platform sev-es --out guest.igvm").status, 0);
    const std::string line = IGVMTOOL " explain guest.igvm --expected " + std::string(64, '0');
    const auto terminal    = shell("timeout 4 script -qec '" + line + "' /dev/null");
    EXPECT_TRUE(contains(terminal.out, "\r\033[Ktried ")) << terminal.out;
    EXPECT_TRUE(contains(terminal.out, " hypotheses")) << terminal.out;
    const auto file = shell("timeout 3 " + line);
    EXPECT_FALSE(contains(file.out + file.errors, "\r")) << file.errors;
}

/// Files that an example names and no example makes.
TEST_F(IgvmTool, ExamplesWorkAsPrinted) {
    write("snp.igvm", worked_file());
    write("kernel.elf", executable().finish());
    write("bzImage", bzimage());
    write("code.bin", Bytes(100, 0x90));
    write("initrd.img", Bytes(10'000, 0x1D));
    Bytes report(report_size);
    report[0] = 2;
    write("report.bin", report);
    const SnpPublicKey key = KeyFile().read().public_key();
    SevCertificate pdh{};
    pdh.version = 1;
    pdh.usage   = 0x1003;
    pdh.curve   = key.curve;
    std::ranges::copy(key.qx, pdh.qx);
    std::ranges::copy(key.qy, pdh.qy);
    const auto certificate = bytes_of(pdh);
    write("pdh.cert", Bytes(certificate.begin(), certificate.end()));
    write("disk.key", Bytes(32, 7));
    std::filesystem::create_symlink(IGVMTOOL, path("igvmtool"));
    const auto help = run("--help");
    std::istringstream lines(help.out);
    std::vector<std::string> verbs;
    bool listing = false;
    for (std::string line; std::getline(lines, line);) {
        listing = line == "Subcommands:" || (listing && !line.empty());
        if (listing && line.starts_with("  ") && line[2] != ' ') {
            verbs.push_back(line.substr(2, line.find(' ', 2) - 2));
        }
    }
    ASSERT_GE(verbs.size(), 6u) << help.out;

    const auto run_examples = [&](const std::string& text) {
        unsigned found = 0;
        bool examples  = false;
        std::istringstream all(text);
        for (std::string line; std::getline(all, line);) {
            examples = line.starts_with("Example") || (examples && line.starts_with("  "));
            if (examples && line.starts_with("  ")) {
                if (contains(line, "igvmtool session")) { // which writes over no keys
                    std::filesystem::remove(path("vm_tik.bin"));
                    std::filesystem::remove(path("vm_tek.bin"));
                }
                const auto outcome = shell("PATH=.:$PATH; " + line);
                EXPECT_EQ(outcome.status, 0) << line << "\n" << outcome.out << outcome.errors;
                found += contains(line, "igvmtool") ? 1 : 0;
            }
        }
        return found;
    };
    for (const std::string& verb : verbs) {
        const auto own = run(verb + " --help");
        EXPECT_EQ(own.status, 0);
        EXPECT_GE(run_examples(own.out), 1u) << own.out;
        EXPECT_TRUE(contains(own.out, "igvmtool " + verb + " ")) << own.out;
    }
    EXPECT_EQ(run_examples(help.out), verbs.size());
}

/// The longest file that there can be, nearly all of it a hole.
TEST_F(IgvmTool, FourGibibytes) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_es);
    writer.add(page_data(mask, 0x1000), Bytes(page_size, 0x11));
    writer.add(page_data(mask, 0x2000), Bytes(page_size, 0x22));
    Bytes file           = must_finish(writer);
    constexpr u32 length = ~u32{0};
    const Bytes last(file.end() - page_size, file.end());
    store(file, offsetof(FixedHeader, total_file_size), length);
    store(file, content_of<PageData>(must_finish(writer), 1) + offsetof(PageData, file_offset),
          static_cast<u32>(length - page_size));
    reseal(file);
    file.resize(file.size() - page_size);
    write("huge.igvm", file);
    const int descriptor = open(path("huge.igvm").c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_EQ(pwrite(descriptor, last.data(), last.size(), length - page_size),
              static_cast<ssize_t>(page_size));
    close(descriptor);
    ASSERT_EQ(std::filesystem::file_size(path("huge.igvm")), length);

    EXPECT_TRUE(contains(run("show huge.igvm").out, "4294967295 bytes"));
    EXPECT_EQ(run("show huge.igvm --json --svg huge.svg").status, 0);
    EXPECT_EQ(run("check huge.igvm --vmm qemu").status, 0);
    write("small.igvm", must_finish(writer));
    const auto measured = run("measure huge.igvm --json");
    EXPECT_EQ(measured.status, 0) << measured.errors;
    EXPECT_EQ(Json::parse(measured.out).at("launch_digest"),
              Json::parse(run("measure small.igvm --json").out).at("launch_digest"));
    const auto same = run("diff small.igvm huge.igvm");
    EXPECT_EQ(same.status, 0) << same.out << same.errors;
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    EXPECT_LT(usage.ru_maxrss, 300 << 10) << "KiB for a file of 4 GiB";

    std::filesystem::resize_file(path("huge.igvm"), u64{length} + 1);
    const auto longer = run("show huge.igvm");
    EXPECT_EQ(longer.status, 1);
    EXPECT_TRUE(contains(longer.errors, "expected less than 4 GiB")) << longer.errors;
}

TEST(IgvmMappedFile, ThatBecomesShorterIsAMessage) {
    std::string name     = testing::TempDir() + "igvm_shrink.XXXXXX";
    const int descriptor = mkstemp(name.data());
    ASSERT_EQ(ftruncate(descriptor, 1 << 20), 0);
    EXPECT_EXIT(
        {
            const auto mapped = MappedFile::open(name);
            if (!mapped || ftruncate(descriptor, 0) != 0) {
                std::abort();
            }
            volatile u8 byte = mapped->bytes()[1 << 19];
            (void)byte;
        },
        testing::ExitedWithCode(1), "a file became shorter while it was read");
    close(descriptor);
    std::filesystem::remove(name);
}

/// igvmtool builds its own file again by itself: nobody has to name the other one.
TEST_F(IgvmTool, ExplainsBuildsThatNobodyNames) {
    write("kernel.elf", executable().finish());
    write("bzImage", bzimage());
    write("initrd", Bytes(6000, 5));
    write("other", Bytes(30000, 6));

    struct Row {
        std::string platform;
        std::string both;    // builds have this
        std::string here;    // and this the one that is explained
        std::string there;   // or this
        std::string options; // that explain names
        std::string more{};  // NOLINT(readability-redundant-member-init): that it is given
    };

    for (const Row& row : std::initializer_list<Row>{
             {"sev-es", "", "", "--vcpus 3", "--vcpus 3"},
             {"snp", "", "--vcpus 4", "", "--vcpus 1"},
             {"snp", "", "--entry 32", "--entry compat --vcpus 2", "--entry compat --vcpus 2"},
             {"snp", "", "", "--cbit 47 --vcpus 6", "--vcpus 6 --cbit 47"},
             {"snp", "--attest 6e6f", "", "--vcpus 2", "--vcpus 2"},
             {"snp", "--policy 0xb0000 --parameters vp-count", "", "--vcpus 2", "--vcpus 2"},
             {"sev-es", "--payload kernel.elf --cmdline a", "", "--vcpus 2", "--vcpus 2"},
             {"snp", "--payload kernel.elf --memory 300M", "", "--entry compat", "--entry compat"},
             {"snp", "--payload bzImage --cmdline b --initrd initrd --memory 512M", "", "--vcpus 3",
              "--vcpus 3"},
             {"snp", "--payload bzImage --accept payload", "", "--vcpus 3", "--vcpus 3"},
             {"sev-es", "--payload bzImage", "--initrd initrd --cmdline b",
              "--initrd other --cmdline c", "--initrd other --cmdline \"c\"",
              "--or-initrd other --or-cmdline c"}
    }) {
        const std::string build = "build --platform " + row.platform + " " + row.both + " ";
        const auto here         = run(build + row.here + " --out a.igvm");
        const auto there        = run(build + row.there + " --out b.igvm");
        ASSERT_EQ(here.status + there.status, 0) << here.errors << there.errors;
        const std::string line = run("measure b.igvm --digest-only --platform " + row.platform).out;
        const auto found       = run("explain a.igvm --depth 1 --platform " + row.platform + " "
                                     + row.more + " --expected " + line.substr(0, line.find('\n')));
        EXPECT_EQ(found.status, 0) << row.there << found.errors;
        EXPECT_TRUE(contains(found.out, "built with " + row.options + ": ")) << found.out;
    }
    // What another has built is not taken for igvmtool's.
    write("foreign.igvm", worked_file());
    const auto foreign =
        run("explain foreign.igvm --depth 1 --expected " + std::string(96, '0')).out;
    EXPECT_FALSE(contains(foreign, " file (")) << foreign;
}

} // namespace vestibule::igvm::test
