// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool measure and explain as their users meet them.
#include "tests/igvm/firmware_fixture.h"
#include "tests/igvm/launch_fixture.h"
#include "tests/igvm/tool/fixture.h"

#include "igvm/measure/attestation_report.h"

#include <nlohmann/json.hpp>

namespace vestibule::igvm::test {

namespace {
using Json = nlohmann::json;

constexpr const char* worked_digest = "39273dad983044da8fe11dbce0cb7cd5f9eebe8c2ca24a544f63bc531a9b"
                                      "d156f0020398801a39d813f28bf651c3d0cf";
constexpr const char* native_zero_digest = "792e9fd7fa55f406813178ff29050a733ecab457684e556488a3590"
                                           "0bc73545813ea77c28d7322c4c0a0a57383403bea";

Bytes report_with(std::span<const u8> digest) {
    // Offsets as the SEV-SNP firmware ABI has them, table ATTESTATION_REPORT.
    Bytes report(0x4A0, 0x5A);
    store(report, 0, u32{2});
    std::ranges::copy(digest, report.begin() + 0x90);
    return report;
}
} // namespace

TEST_F(IgvmTool, MeasuresTheWorkedFile) {
    write("guest.igvm", worked_file());
    const auto text = run("measure guest.igvm");
    EXPECT_EQ(text.status, 0) << text.errors;
    EXPECT_TRUE(contains(text.out, std::string("digest    ") + worked_digest + "\n")) << text.out;
    const auto json = run("measure guest.igvm --vmm qemu-11.1 --platform snp --json --ledger");
    EXPECT_EQ(json.status, 0) << json.errors;
    const Json object = Json::parse(json.out);
    EXPECT_EQ(object.at("launch_digest"), worked_digest);
    EXPECT_EQ(object.at("platform"), "sev-snp");
    EXPECT_EQ(object.at("ledger").size(), 5u);
    EXPECT_EQ(object.at("ledger").back().at("digest"), worked_digest);
    EXPECT_EQ(object.at("ledger")[2].at("type"), "SECRETS");
    const auto ledger = run("measure guest.igvm --ledger");
    EXPECT_TRUE(contains(ledger.out, "CPUID              0x4000 x 1     CPUID, header 5\n"))
        << ledger.out;
}

TEST_F(IgvmTool, ComparesMonitors) {
    write("guest.igvm", worked_file());
    const auto all = run("measure guest.igvm --vmm all");
    EXPECT_EQ(all.status, 0) << all.errors;
    EXPECT_TRUE(contains(all.out, std::string(worked_digest) + "  igvm, qemu, ")) << all.out;
    EXPECT_TRUE(contains(all.out, std::string(native_zero_digest) + "  cloud-hypervisor\n"))
        << all.out;
    EXPECT_TRUE(contains(all.out, "kvm-6.1: kvm-6.1 has no SEV-SNP\n")) << all.out;
    const Json object = Json::parse(run("measure guest.igvm --vmm all --json").out);
    EXPECT_EQ(object.at("monitors").size(), 15u);
}

/// What a digest is of stands beside it; and the digest alone, in either notation.
TEST_F(IgvmTool, MeasuresInWordsAndInDigitsAlone) {
    write("guest.igvm", worked_file());
    const auto text = run("measure guest.igvm --vmm kvm-7.2 --vcpu-type EPYC-Milan");
    for (const char* part : {"signature 0xa00f11 (EPYC Milan)\n", "features  0x1\n",
                             "monitor   kvm-7.2: Linux 7.2 KVM"}) {
        EXPECT_TRUE(contains(text.out, part)) << text.out;
    }
    const Json json = Json::parse(run("measure guest.igvm --vcpu-type 0xb50f10 --json").out);
    EXPECT_EQ(json.at("cpu_signature"), "0xb50f10");
    EXPECT_EQ(json.at("sev_features"), "0x1");
    EXPECT_EQ(run("measure guest.igvm --digest-only").out, std::string(worked_digest) + "\n");
    const Bytes digest = from_hex(worked_digest);
    EXPECT_EQ(run("measure guest.igvm --digest-only --base64").out, to_base64(digest) + "\n");
    EXPECT_EQ(json.at("launch_digest_base64"), to_base64(digest));
    EXPECT_EQ(run("explain guest.igvm --expected " + to_base64(digest)).status, 0);
    EXPECT_EQ(run("measure guest.igvm --base64").status, 2);

    const auto host = run("measure guest.igvm --vcpu-type host --digest-only");
    EXPECT_TRUE(host.status == 0 || contains(host.errors, "0xa00f12 (EPYC Milan-X)"))
        << host.errors;
    EXPECT_EQ(run("measure guest.igvm --vmm qemu --vcpus 2 --vcpu-type 0").status, 0);
}

TEST_F(IgvmTool, MeasuresARangeOfVcpus) {
    write("amdsev.fd", amd_sev_volume());
    const std::string volume = "measure --firmware amdsev.fd ";
    const auto table         = run(volume + "--vcpus 1..4");
    EXPECT_EQ(table.status, 0) << table.errors;
    std::string expected;
    for (const char* count : {"1", "2", "3", "4"}) {
        expected +=
            std::string("   ") + count + "  " + run(volume + "--digest-only --vcpus " + count).out;
    }
    EXPECT_EQ(table.out, expected);
    EXPECT_EQ(Json::parse(run(volume + "--vcpus 1..4 --json").out).at("counts").size(), 4u);
    for (const char* wrong : {"0..3", "3..1", "1..", "..3", "1..4097", "1..3x", "a"}) {
        EXPECT_EQ(run(volume + "--vcpus " + wrong).status, 2) << wrong;
    }
}

TEST_F(IgvmTool, DumpsVmsas) {
    write("amdsev.fd", amd_sev_volume());
    EXPECT_EQ(run("measure --firmware amdsev.fd --vcpus 3 --dump-vmsa vmsas").status, 0);
    const std::string pages = read("vmsas");
    ASSERT_EQ(pages.size(), 3 * page_size);
    EXPECT_EQ(pages.substr(0, page_size),
              std::string(std::string_view(
                  reinterpret_cast<const char*>(bytes_of(qemu_vmsa(1)).data()), // NOLINT: as text
                  page_size)));
    EXPECT_EQ(pages.substr(page_size, page_size), pages.substr(2 * page_size));
}

/// On SEV-ES a volume is one step, of as many pages as it has.
TEST_F(IgvmTool, CountsThePagesOfAVolume) {
    Bytes volume = amd_sev_volume();
    volume.insert(volume.begin(), 15 * page_size, 0);
    write("amdsev.fd", volume);
    const u64 pages = volume.size() / page_size;
    const Json es =
        Json::parse(run("measure --firmware amdsev.fd --platform sev-es --ledger --json").out);
    EXPECT_EQ(es.at("pages"), pages + 1);
    EXPECT_EQ(es.at("ledger")[0].at("pages"), pages);
}

/// A chain goes on from a digest that somebody else has published.
TEST_F(IgvmTool, GoesOnFromADigest) {
    write("amdsev.fd", amd_sev_volume());
    const std::string volume = "measure --firmware amdsev.fd ";
    const Json whole         = Json::parse(run(volume + "--ledger --json").out);
    const std::string pages  = whole.at("ledger")[0].at("digest").get<std::string>();
    ASSERT_EQ(whole.at("ledger")[0].at("what"), "firmware");
    EXPECT_EQ(run(volume + "--digest-only --start-digest " + pages).out,
              whole.at("launch_digest").get<std::string>() + "\n");
    EXPECT_EQ(run(volume + "--digest-only --start-digest " + to_base64(from_hex(pages))).out,
              whole.at("launch_digest").get<std::string>() + "\n");
    EXPECT_EQ(run(volume + "--start-digest 00").status, 2);
    EXPECT_EQ(run(volume + "--platform sev-es --start-digest " + pages).status, 2);
}

/// Files may come through pipes.
TEST_F(IgvmTool, ReadsPipes) {
    write("guest.igvm", worked_file());
    const std::string expected = std::string(worked_digest) + "\n";
    EXPECT_EQ(shell("cat guest.igvm | " IGVMTOOL " measure --digest-only -").out, expected);
    EXPECT_EQ(shell(IGVMTOOL " measure --digest-only - < guest.igvm").out, expected);
    const auto fifo = shell("mkfifo p; cat guest.igvm > p & " IGVMTOOL " measure --digest-only p");
    EXPECT_EQ(fifo.out, expected) << fifo.errors;
    EXPECT_EQ(shell("printf '' | " IGVMTOOL " measure -").status, 1);
    const auto folder = shell("mkdir f; " IGVMTOOL " measure f");
    EXPECT_EQ(folder.status, 1);
    EXPECT_TRUE(contains(folder.errors, "f: not a regular file")) << folder.errors;
}

/// A firmware that verifies no kernel is not silently left with one.
TEST_F(IgvmTool, SaysWhichFirmwareVerifiesAKernel) {
    Bytes volume = amd_sev_volume();
    for (u64 at = amd_sev::metadata + 16;
         at < amd_sev::metadata + 16 + 12 * std::size(amd_sev::sections); at += 12) {
        if (load<u32>(volume, at + 8) == 0x10) {
            store(volume, at + 8, u32{1});
        }
    }
    write("plain.fd", volume);
    write("kernel", Bytes{1});
    const auto refused = run("measure --firmware plain.fd --kernel kernel");
    EXPECT_EQ(refused.status, 1);
    EXPECT_TRUE(contains(refused.errors, "verifies no kernel, use edk2's AmdSev build"))
        << refused.errors;
}

TEST_F(IgvmTool, MeasuresLaunchMeasure) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev);
    writer.add_page(page_data(mask, 0x1000), hlt_page());
    write("sev.igvm", must_finish(writer));
    Bytes tik(16);
    MeasureContext context{
        .tik = {}, .mnonce = {}, .api_major = 1, .api_minor = 55, .build = 16, .policy = 5};
    for (u8 i = 0; i < 16; ++i) {
        tik[i] = context.tik[i] = i;
        context.mnonce[i]       = static_cast<u8>(0xF0 + i);
    }
    write("tik", tik);
    const std::string line = "measure sev.igvm --tik tik --nonce f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff "
                             "--policy 5 --api 1.55.16";
    const auto measured    = run(line);
    EXPECT_EQ(measured.status, 0) << measured.errors;
    const std::string hmac = to_hex(launch_measure(context, sha256(hlt_page())));
    EXPECT_TRUE(contains(measured.out, "measure   " + hmac + "\n")) << measured.out;
    EXPECT_EQ(Json::parse(run(line + " --json").out).at("measurement"), hmac);

    write("short", Bytes(15));
    EXPECT_EQ(run("measure sev.igvm --tik short --nonce f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff "
                  "--policy 5 --api 1.55.16")
                  .status,
              1);
    for (const char* wrong :
         {"--nonce f0 --policy 5 --api 1.55.16",
          "--nonce f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff --policy 5",
          "--nonce f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff --policy 5 --api 1.55",
          "--nonce f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff --policy 5 --api 1.55.256"}) {
        EXPECT_EQ(run(std::string("measure sev.igvm --tik tik ") + wrong).status, 2) << wrong;
    }
}

TEST_F(IgvmTool, MeasuresFirmware) {
    write("amdsev.fd", amd_sev_volume());
    write("kernel", Bytes{1, 2, 3});
    const std::string line =
        "measure --firmware amdsev.fd --platform snp --vcpus 4 --vcpu-type "
        "EPYC-Milan --vmm ec2 --sev-features 0x21 --kernel kernel --append quiet";
    const auto measured = run(line + " --json");
    EXPECT_EQ(measured.status, 0) << measured.errors;
    const Json object = Json::parse(measured.out);
    EXPECT_EQ(object.at("vcpus"), 4);
    // What this digest has to be is the library's tests' business; here it depends on each option.
    for (const char* other :
         {"--vcpus 5", "--vmm gce", "--sev-features 0x1", "--append loud", "--platform sev-es"}) {
        const std::string key = std::string(other).substr(0, std::string(other).find(' '));
        std::string changed   = line;
        const auto at         = changed.find(key);
        changed.replace(at, changed.find(' ', changed.find(' ', at) + 1) - at, other);
        EXPECT_NE(Json::parse(run(changed + " --json").out).at("launch_digest"),
                  object.at("launch_digest"))
            << changed;
    }
    Bytes bad = amd_sev_volume();
    bad[amd_sev::metadata] ^= 1;
    write("bad.fd", bad);
    const auto refused = run("measure --firmware bad.fd");
    EXPECT_EQ(refused.status, 1);
    for (const char* part :
         {"bad.fd", "offset 0x", "found 0x", "expected the signature \"ASEV\""}) {
        EXPECT_TRUE(contains(refused.errors, part)) << refused.errors;
    }
}

TEST_F(IgvmTool, Explains) {
    write("guest.igvm", worked_file());
    const auto right = run(std::string("explain guest.igvm --expected ") + worked_digest);
    EXPECT_EQ(right.status, 0) << right.errors;
    EXPECT_TRUE(contains(right.out, "The digest is as expected")) << right.out;

    write("report.bin", report_with(from_hex(native_zero_digest)));
    for (const std::string& line :
         {std::string("--report report.bin"), std::string("--expected ") + native_zero_digest}) {
        const auto other = run("explain guest.igvm " + line);
        EXPECT_EQ(other.status, 0) << other.errors;
        for (const char* part : {"zero pages as ZERO", "type 1 at 0x2000", "type 3 at 0x2000",
                                 "cloud-hypervisor", "hypotheses in"}) {
            EXPECT_TRUE(contains(other.out, part)) << part << " in\n" << other.out;
        }
    }
    const auto json =
        run(std::string("explain guest.igvm --json --expected ") + native_zero_digest);
    EXPECT_EQ(Json::parse(json.out).at("explanations").size(), 2u) << json.out;

    const auto nothing = run("explain guest.igvm --depth 1 --expected " + std::string(96, '0'));
    EXPECT_EQ(nothing.status, 1);
    for (const char* part : {"No explanation", "SEV_FEATURES bits (18)", "behind step 4 of 5"}) {
        EXPECT_TRUE(contains(nothing.out, part)) << part << " in\n" << nothing.out;
    }
    EXPECT_TRUE(contains(nothing.errors, "guest.igvm: found no explanation")) << nothing.errors;
    const auto as_json =
        run("explain guest.igvm --depth 1 --json --expected " + std::string(96, '0'));
    EXPECT_EQ(as_json.status, 1);
    const Json failure = Json::parse(as_json.out);
    EXPECT_EQ(failure.at("causes_tried").at("SEV_FEATURES bits"), 18);
    const Json ledger  = Json::parse(run("measure guest.igvm --ledger --json").out).at("ledger");
    const Json& points = failure.at("checkpoints");
    ASSERT_EQ(points.size(), 2u) << as_json.out;
    for (const Json& point : points) {
        EXPECT_EQ(point.at("digest"), ledger[point.at("step").get<u64>() - 1].at("digest"));
        EXPECT_EQ(point.at("gpa"), ledger[point.at("step").get<u64>() - 1].at("gpa"));
    }
    EXPECT_EQ(points[0].at("step"), 2);
    EXPECT_EQ(points[1].at("step"), 4);
}

/// Which of several kernels, initrds and command lines it was.
TEST_F(IgvmTool, ExplainsByOtherFiles) {
    write("amdsev.fd", amd_sev_volume());
    write("kernel", Bytes{1});
    write("kernel-2", Bytes{2});
    write("initrd-2", Bytes{3});
    const std::string firmware = "--firmware amdsev.fd --kernel ";
    const Json booted          = Json::parse(
        run("measure " + firmware + "kernel-2 --initrd initrd-2 --append 'a b' --json").out);
    const std::string expected = booted.at("launch_digest").get<std::string>();
    const std::string line     = "explain " + firmware + "kernel --append a --expected " + expected;
    const auto found           = run(line
                                     + " --or-kernel initrd-2 --or-kernel kernel-2 --or-initrd initrd-2 "
                                                 "--or-append c --or-append 'a b'");
    EXPECT_EQ(found.status, 0) << found.out << found.errors;
    for (const char* part :
         {"kernel kernel-2: SHA-256 ", "initrd initrd-2: no bytes here, SHA-256 ",
          R"(command line "a b": "a" here, "a b" there)"}) {
        EXPECT_TRUE(contains(found.out, part)) << part << " in\n" << found.out;
    }
    EXPECT_EQ(run(line + " --depth 1").status, 1);
    EXPECT_EQ(run(line + " --or-kernel none").status, 1);
    EXPECT_EQ(run("explain --firmware amdsev.fd --or-append x --expected " + expected).status, 2);
}

TEST_F(IgvmTool, RefusesReports) {
    write("guest.igvm", worked_file());
    write("short.bin", Bytes(report_size - 1));
    write("old.bin", Bytes(report_size));
    for (const char* report : {"short.bin", "old.bin"}) {
        const auto refused = run(std::string("explain guest.igvm --report ") + report);
        EXPECT_EQ(refused.status, 1);
        EXPECT_TRUE(contains(refused.errors, std::string(report) + ": offset 0x0: found 0x"))
            << refused.errors;
    }
}

TEST_F(IgvmTool, WrongUseOfMeasureAndExplain) {
    write("guest.igvm", worked_file());
    write("amdsev.fd", amd_sev_volume());
    for (const char* line :
         {"measure", "measure guest.igvm --vmm x", "measure guest.igvm --vmm ec2",
          "measure guest.igvm --platform native", "measure guest.igvm --firmware amdsev.fd",
          "measure guest.igvm --vcpus 0", "measure guest.igvm --vcpu-type 486",
          "measure guest.igvm --sev-features x", "measure --firmware amdsev.fd --vmm igvm",
          "measure guest.igvm --tik x", "explain guest.igvm", "explain guest.igvm --expected 12",
          "explain guest.igvm --report x --expected 12",
          "explain guest.igvm --expected 1 --depth 4"}) {
        const auto outcome = run(line);
        EXPECT_EQ(outcome.status, 2) << line;
        EXPECT_EQ(outcome.out, "") << line;
        EXPECT_TRUE(contains(outcome.errors, "igvmtool: ")) << line;
    }
    for (const char* line :
         {"measure none", "measure guest.igvm --platform sev-es", "measure guest.igvm --vcpus 2",
          "measure guest.igvm --vmm kvm-6.8", "measure --firmware guest.igvm",
          "measure guest.igvm --kernel guest.igvm", "measure --firmware /dev/null",
          "measure --firmware amdsev.fd --kernel none"}) {
        const auto outcome = run(line);
        EXPECT_EQ(outcome.status, 1) << line;
        EXPECT_EQ(outcome.out, "") << line;
    }
}

TEST_F(IgvmTool, ExamplesOfMeasureAndExplain) {
    // As printed, in a directory where the example of build has been run.
    EXPECT_EQ(run("build --out guest.igvm --platform native,sev-es").status, 0);
    for (const char* verb : {"measure", "explain"}) {
        const std::string help = run(std::string(verb) + " --help").out;
        u64 examples           = 0;
        for (u64 at = help.find("\n  igvmtool "); at != std::string::npos;
             at     = help.find("\n  igvmtool ", at + 1)) {
            const std::string line = help.substr(at + 3, help.find('\n', at + 1) - at - 3);
            const auto outcome     = shell("igvmtool() { " IGVMTOOL " \"$@\"; }; " + line);
            EXPECT_EQ(outcome.status, 0) << line << "\n" << outcome.errors;
            EXPECT_FALSE(outcome.out.empty()) << line;
            ++examples;
        }
        EXPECT_GE(examples, 1u) << help;
    }
}

} // namespace vestibule::igvm::test
