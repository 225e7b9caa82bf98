// SPDX-License-Identifier: BSD-2-Clause-Patent
// What an owner does with igvmtool beside a file: signing elsewhere, blocks without a file,
// reports.
#include "tests/igvm/firmware_fixture.h"
#include "tests/igvm/launch_fixture.h"
#include "tests/igvm/report/test_root.h"
#include "tests/igvm/tool/fixture.h"

#include "igvm/measure/firmware_launch.h"

#include <nlohmann/json.hpp>

namespace vestibule::igvm::test {

namespace {
using Json = nlohmann::json;

constexpr const char* make_keys =
    "for k in id author; do openssl ecparam -name secp384r1 -genkey -noout -out $k.pem && "
    "openssl pkey -in $k.pem -pubout -out $k.pub; done";
} // namespace

TEST_F(IgvmTool, SignsByAModuleThatKeepsTheKey) {
    write("snp.igvm", worked_file());
    ASSERT_EQ(shell(make_keys).status, 0);
    const std::string with = "sign snp.igvm --guest-svn 4 --id-public-key id.pub ";
    ASSERT_EQ(run("sign snp.igvm --guest-svn 4 --to-be-signed block").status, 0);
    EXPECT_EQ(read("block").size(), 96u);
    ASSERT_EQ(shell("openssl dgst -sha384 -sign id.pem -out block.sig block").status, 0);
    ASSERT_EQ(run(with + "--author-to-be-signed key").status, 0);
    EXPECT_EQ(read("key").size(), 0x404u);
    ASSERT_EQ(shell("openssl dgst -sha384 -sign author.pem -out key.sig key").status, 0);
    const std::string author = "--author-public-key author.pub --author-signature key.sig ";
    const auto done          = run(with + author + "--signature block.sig --out signed.igvm");
    EXPECT_EQ(done.status, 0) << done.errors;
    EXPECT_EQ(run("verify signed.igvm").status, 0);
    // As keys that are here sign it, but for the signatures' random numbers.
    ASSERT_EQ(run("sign snp.igvm --guest-svn 4 --id-key id.pem --author-key author.pem "
                  "--out here.igvm")
                  .status,
              0);
    EXPECT_EQ(read("here.igvm").size(), read("signed.igvm").size());

    const auto other = run("sign snp.igvm --guest-svn 5 --id-public-key id.pub "
                           "--signature block.sig --out x.igvm");
    EXPECT_EQ(other.status, 1);
    EXPECT_TRUE(contains(other.errors, "the ID key has not signed this")) << other.errors;
    write("junk", Bytes(95, 1));
    EXPECT_EQ(run(with + "--signature junk --out x.igvm").status, 1);
    EXPECT_EQ(run(with + "--signature block.sig").status, 2) << "no --out";
    EXPECT_EQ(run(with + "--out x.igvm").status, 2) << "no signature";
    EXPECT_EQ(run("sign snp.igvm --id-key id.pem --block-version 2 --out x.igvm").status, 2)
        << "QEMU gives it as 1";
    EXPECT_EQ(
        run("sign snp.igvm --id-key id.pem --block-version 2 --vmm kvm-7.1 --out x.igvm").status,
        0);
}

TEST_F(IgvmTool, SignsWithoutAFile) {
    write("amdsev.fd", amd_sev_volume());
    ASSERT_EQ(shell(make_keys).status, 0);
    const Json volume = Json::parse(
        run("sign --firmware amdsev.fd --vcpus 2 --id-key id.pem --policy smt=off --json").out);
    EXPECT_EQ(volume.at("policy"), "0x20000");
    EXPECT_EQ(volume.at("launch_digest").get<std::string>() + "\n",
              run("measure --firmware amdsev.fd --vcpus 2 --digest-only").out);
    const std::string block = " --id-block " + volume.at("id_block").get<std::string>()
                              + " --id-auth " + volume.at("id_auth").get<std::string>();
    EXPECT_EQ(run("verify" + block).status, 0);
    EXPECT_EQ(run("verify --firmware amdsev.fd --vcpus 2" + block).status, 0);
    const auto fewer = run("verify --firmware amdsev.fd" + block);
    EXPECT_EQ(fewer.status, 1);
    EXPECT_TRUE(contains(fewer.out, "wrong: the launch digest is")) << fewer.out;
    const std::string digest(96, 'a');
    const auto bare = run("sign --digest " + digest + " --id-key id.pem");
    EXPECT_EQ(bare.status, 0) << bare.errors;
    EXPECT_TRUE(contains(bare.out, "-object sev-snp-guest,...,policy=0x30000,id-block="))
        << bare.out;
    EXPECT_EQ(run("sign --digest " + digest + " --id-key id.pem --out x").status, 2);
    EXPECT_EQ(run("sign --id-key id.pem").status, 2);
    EXPECT_EQ(run("verify").status, 2);
    EXPECT_EQ(run("verify --id-block AAAA --id-auth AAAA").status, 2);
}

/// The report of a guest with this block, and of others.
TEST_F(IgvmTool, VerifiesReportsOfSignedGuests) {
    write("snp.igvm", worked_file());
    ASSERT_EQ(shell(make_keys).status, 0);
    const std::string sign = "sign snp.igvm --id-key id.pem --author-key author.pem --guest-svn 3 "
                             "--family-id 000102030405060708090a0b0c0d0e0f --json --out s.igvm";
    const Json made        = Json::parse(run(sign).out);
    AttestationReport report{};
    report.version   = 3;
    report.guest_svn = 3;
    report.policy    = 0x3'0000;
    const auto put   = [](std::span<u8> into, const Json& hex) {
        std::ranges::copy(from_hex(hex.get<std::string>()), into.begin());
    };
    put(report.measurement, made.at("launch_digest"));
    put(report.id_key_digest, made.at("id_key_digest"));
    put(report.author_key_digest, made.at("author_key_digest"));
    put(report.family_id, "000102030405060708090a0b0c0d0e0f");
    write("r.bin", bytes_of(report));
    EXPECT_EQ(run("verify s.igvm --report r.bin").status, 0) << read("out");
    const auto wrong = [&](auto change) {
        AttestationReport other = report;
        change(other);
        write("w.bin", bytes_of(other));
        const auto outcome = run("verify s.igvm --report w.bin");
        EXPECT_EQ(outcome.status, 1);
        return outcome.out;
    };
    using R = AttestationReport;
    EXPECT_TRUE(contains(wrong([](R& r) { r.id_key_digest[0] ^= 1; }), "report's ID key digest"));
    EXPECT_TRUE(contains(wrong([](R& r) { r.author_key_digest[0] ^= 1; }), "author key digest"));
    EXPECT_TRUE(contains(wrong([](R& r) { r.measurement[0] ^= 1; }), "report's measurement"));
    EXPECT_TRUE(contains(wrong([](R& r) { r.policy |= 0x8'0000; }), "report's policy is 0xb0000"));
    EXPECT_TRUE(contains(wrong([](R& r) { r.guest_svn = 2; }), "report's guest SVN"));
    EXPECT_TRUE(contains(wrong([](R& r) { r.family_id[0] ^= 1; }), "report's family ID"));
    EXPECT_TRUE(contains(wrong([](R& r) { r.image_id[0] ^= 1; }), "report's image ID"));

    // explain says the same of what is no digest, and warns.
    AttestationReport other = report;
    other.policy            = 0xB'0000;
    other.vmpl              = 1;
    other.guest_svn         = 9;
    write("o.bin", bytes_of(other));
    const auto explained = run("explain s.igvm --report o.bin --host-data " + std::string(64, '1'));
    EXPECT_EQ(explained.status, 0) << explained.errors;
    for (const char* part :
         {"the report's policy is 0xb0000, expected 0x30000", "the report's VMPL is 1, expected 0",
          "the report's guest SVN is 9", "the report's host data is 0000",
          "warning: the report's policy has debug on"}) {
        EXPECT_TRUE(contains(explained.out, part)) << part << "\n" << explained.out;
    }
}

/// A report from the tests' root, by igvmtool report.
TEST_F(IgvmTool, ReportsUpToTheRoot) {
    const TestRoot& root = TestRoot::get();
    write("report.bin", bytes_of(root.report()));
    ASSERT_EQ(shell("mkdir certs").status, 0);
    write("certs/vcek.der", root.vcek);
    write("certs/ask.pem", to_pem(root.ask));
    write("certs/ark.crt", root.ark);
    write("certs/notes.txt", Bytes(4, 'x'));
    const auto bare = run("report report.bin");
    EXPECT_EQ(bare.status, 0) << bare.errors;
    for (const char* part :
         {"reported_tcb        0xd516000000000004: boot loader 4, TEE 0, SNP 22, microcode 213",
          "nobody vouches for this report without --certs; fetch\n  "
          "https://kdsintf.amd.com/vcek/v1/"
          "Milan/",
          "/cert_chain\n", "policy warning      smt on"}) {
        EXPECT_TRUE(contains(bare.out, part)) << part << "\n" << bare.out;
    }
    const auto pinned = run("report report.bin --certs certs");
    EXPECT_EQ(pinned.status, 1);
    EXPECT_TRUE(contains(pinned.out, "FAILS  root: found ARK-Test")) << pinned.out;
    const auto good = run("report report.bin --certs certs --root certs/ark.crt");
    EXPECT_EQ(good.status, 0) << good.out << good.errors;
    EXPECT_TRUE(contains(good.out, "passes signature: by SEV-VCEK\n"));
    EXPECT_TRUE(contains(good.out, "passes root: ARK-Test, "));
    const std::string fingerprint = to_hex(sha256(root.ark));
    const Json json =
        Json::parse(run("report report.bin --certs certs --root " + fingerprint + " --json").out);
    EXPECT_EQ(json.at("verified"), true);
    EXPECT_EQ(json.at("fields").at("guest_svn"), "2");
    EXPECT_EQ(json.at("generation"), "Milan");
    EXPECT_EQ(
        run("report report.bin --certs certs --root " + fingerprint + " --at 2020-01-01").status,
        1);

    write("policy.json", [] {
        const std::string text = R"({"vmpl": 0, "allowed_policy": [], "minimum_tcb": {"snp": 23}})";
        return Bytes(text.begin(), text.end());
    }());
    const auto verdict = run("report report.bin --policy policy.json");
    EXPECT_EQ(verdict.status, 1);
    for (const char* part :
         {"passes vmpl: 0\n", "FAILS  allowed_policy: found 0x30000, expected one without smt\n",
          "FAILS  minimum_tcb (reported): found SNP 22, expected 23 or more"}) {
        EXPECT_TRUE(contains(verdict.out, part)) << part << "\n" << verdict.out;
    }
    write("wrong.json", Bytes{'{', '}', '}'});
    EXPECT_EQ(run("report report.bin --policy wrong.json").status, 1);

    write("guest.igvm", worked_file());
    const auto other = run("report report.bin --guest guest.igvm --vmm qemu");
    EXPECT_EQ(other.status, 1);
    EXPECT_TRUE(contains(other.out, "FAILS  measurement: found another")) << other.out;
    AttestationReport own = root.report();
    std::ranges::copy(
        from_hex(run("measure guest.igvm --vmm qemu --digest-only").out.substr(0, 96)),
        own.measurement);
    write("own.bin", bytes_of(own));
    EXPECT_EQ(run("report own.bin --guest guest.igvm --vmm qemu").status, 0);

    write("short.bin", Bytes(100));
    EXPECT_EQ(run("report short.bin").status, 1);
    EXPECT_EQ(run("report report.bin --generation Rome").status, 2);
    EXPECT_EQ(run("report report.bin --certs certs/notes.txt").status, 1);
    EXPECT_EQ(run("report report.bin --certs certs --at yesterday").status, 2);
}

/// Another command line or initrd than the one in an IGVM file.
TEST_F(IgvmTool, ExplainsWhatIsInAFile) {
    const auto file_with = [](const std::string& line, const Bytes& initrd) {
        Writer writer;
        const u32 mask = writer.add_platform(PlatformType::sev_snp);
        Bytes page     = hlt_page();
        std::ranges::copy(line, page.begin() + 100);
        writer.add_page(page_data(mask, 0x1000), page);
        for (u64 at = 0; at < initrd.size(); at += page_size) {
            const u64 size = std::min<u64>(page_size, initrd.size() - at);
            writer.add_page(page_data(mask, 0x10'0000 + at), std::span(initrd).subspan(at, size));
        }
        add_vmsa(writer, mask, qemu_vmsa(1));
        return must_finish(writer);
    };
    const Bytes first(6000, 5);
    const Bytes second(9000, 6);
    write("initrd", first);
    write("initrd-2", second);
    write("guest.igvm", file_with("quiet", first));
    write("other.igvm", file_with("quiet nosmt", second));
    const std::string expected = run("measure other.igvm --digest-only").out.substr(0, 96);
    const auto found =
        run("explain guest.igvm --append quiet --or-append x --or-append 'quiet nosmt' "
            "--initrd initrd --or-initrd initrd-2 --expected "
            + expected);
    EXPECT_EQ(found.status, 0) << found.out << found.errors;
    EXPECT_TRUE(contains(found.out, "command line \"quiet nosmt\" in the file")) << found.out;
    EXPECT_TRUE(contains(found.out, "initrd initrd-2 in the file")) << found.out;
    write("bare.igvm", file_with("", first));
    const std::string bare = run("measure bare.igvm --digest-only").out.substr(0, 96);
    EXPECT_TRUE(contains(run("explain guest.igvm --append quiet --expected " + bare).out,
                         "empty command line in the file"));
}

/// igvmtool's own files of other builds: another C-bit, another entry, more vCPUs.
TEST_F(IgvmTool, ExplainsOtherBuilds) {
    const std::string build = "build --platform sev-es,snp ";
    ASSERT_EQ(run(build + "--out a.igvm --cbit 51").status, 0);
    ASSERT_EQ(run(build + "--out b.igvm --cbit 47").status, 0);
    ASSERT_EQ(run(build + "--out c.igvm --cbit 51 --entry compat").status, 0);
    ASSERT_EQ(run(build + "--out d.igvm --cbit 51 --vcpus 3").status, 0);
    for (const std::string platform : {"snp", "sev-es"}) {
        const auto digest = [&](const std::string& file) {
            const std::string line =
                run("measure " + file + " --digest-only --platform " + platform).out;
            return line.substr(0, line.find('\n'));
        };
        const auto explain = [&](const std::string& file, const std::string& more) {
            return run("explain a.igvm --platform " + platform + more + " --expected "
                       + digest(file));
        };
        const auto c_bit = explain("b.igvm", "");
        EXPECT_EQ(c_bit.status, 0) << c_bit.errors;
        EXPECT_TRUE(contains(c_bit.out, "C-bit the other of 47 and 51 in page tables"))
            << c_bit.out;
        EXPECT_EQ(explain("c.igvm", " --depth 2").status, 0);
        const auto other = explain("c.igvm", " --or-file b.igvm --or-file c.igvm");
        EXPECT_TRUE(contains(other.out, "file c.igvm: the file here, c.igvm there")) << other.out;
        const auto count = explain("d.igvm", " --or-file d.igvm");
        EXPECT_TRUE(contains(count.out, "file d.igvm")) << count.out;
    }
    const std::string kvm =
        run("measure a.igvm --platform snp --vmm kvm-7.1 --vcpus 3 --digest-only")
            .out.substr(0, 96);
    const auto with = run("explain a.igvm --platform snp --vmm kvm-7.1 --expected " + kvm);
    EXPECT_TRUE(contains(with.out, "3 vCPUs")) << with.out;
    const auto zeros =
        run("explain a.igvm --platform snp --depth 2 --expected " + std::string(96, '0'));
    EXPECT_EQ(zeros.status, 1);
    EXPECT_TRUE(contains(zeros.out, "No explanation")) << zeros.out;
}

/// What igvmtool's own files say of themselves: their command line and their initrd need not be
/// named.
TEST_F(IgvmTool, ExplainsWhatWentIntoItsOwnFiles) {
    write("flat.bin", Bytes(5000, 0xF4));
    write("initrd", Bytes(9000, 1));
    write("initrd-2", Bytes(9001, 2));
    const std::string build = "build --platform sev-es,snp --payload flat.bin --payload-address "
                              "0x1000000 --out ";
    ASSERT_EQ(run(build + "a.igvm --cmdline quiet --initrd initrd").status, 0);
    ASSERT_EQ(run(build + "line.igvm --cmdline 'quiet nosmt' --initrd initrd").status, 0);
    ASSERT_EQ(run(build + "none.igvm --initrd initrd").status, 0);
    ASSERT_EQ(run(build + "initrd.igvm --cmdline quiet --initrd initrd-2").status, 0);
    for (const std::string platform : {"snp", "sev-es"}) {
        const auto explain = [&](const std::string& file, const std::string& more) {
            const std::string line =
                run("measure " + file + " --digest-only --platform " + platform).out;
            return run("explain a.igvm --platform " + platform + more + " --json --expected "
                       + line.substr(0, line.find('\n')));
        };
        const auto first = [](const Outcome& outcome) {
            const Json object = Json::parse(outcome.out);
            return object.at("explanations").empty() ? Json(Json::object())
                                                     : object.at("explanations")[0][0];
        };
        const Json line = first(explain("line.igvm", " --or-cmdline 'quiet nosmt'"));
        EXPECT_EQ(line.value("field", ""), "command line") << platform;
        EXPECT_EQ(line.value("found", ""), "\"quiet\"");
        EXPECT_EQ(line.value("expected", ""), "\"quiet nosmt\"");
        EXPECT_EQ(first(explain("none.igvm", "")).value("cause", ""),
                  "empty command line in the file");
        const Json initrd = first(explain("initrd.igvm", " --or-initrd initrd-2"));
        EXPECT_EQ(initrd.value("field", ""), "initrd") << platform;
        EXPECT_EQ(initrd.value("expected", ""), "initrd-2");
        EXPECT_EQ(explain("line.igvm", " --depth 1 --or-cmdline 'quiet nosmp'").status, 1);
    }
}

/// A launch of nothing at all explains nothing, on either kind of platform and with all causes that
/// take something away.
TEST_F(IgvmTool, DoesNotExplainByRemovingEverything) {
    for (const auto& [platform, nothing] : {
             std::pair{PlatformType::sev_snp, std::string(96, '0')},
             std::pair{PlatformType::sev_es, to_hex(sha256(Bytes{}))}
    }) {
        Writer writer;
        const u32 mask = writer.add_platform(platform);
        writer.add_page(page_data(mask, 0x1000), hlt_page());
        writer.add_page(page_data(mask, 0x2000), {});
        write("one.igvm", must_finish(writer));
        const auto outcome = run("explain one.igvm --depth 3 --expected " + nothing);
        EXPECT_EQ(outcome.status, 1) << outcome.out;
        EXPECT_TRUE(contains(outcome.out, "No explanation")) << outcome.out;
    }
}

/// The picture has names, sizes, digests, and explains what occurs in it.
TEST_F(IgvmTool, PictureNamesTheParts) {
    write("flat.bin", Bytes(5000, 0xF4));
    write("initrd", Bytes(3 << 20, 1));
    ASSERT_EQ(
        run("build --platform native,sev-es,snp --payload flat.bin --payload-address 0x1000000 "
            "--cmdline 'quiet <1>' --initrd initrd --out a.igvm")
            .status,
        0);
    ASSERT_EQ(run("show a.igvm --svg a.svg").status, 0);
    const std::string svg    = read("a.svg");
    const std::string digest = run("measure a.igvm --platform snp --digest-only").out.substr(0, 96);
    for (const std::string part :
         {">page tables: 4 KiB, measured<", ">initrd: 3 MiB, 768 pages, measured<",
          ">payload: 8 KiB, 2 pages, measured<", ">payload: 8 KiB, 2 pages<",
          ">stub: ", ">hand-over: 4 KiB", ">command line &quot;quiet &lt;1&gt;&quot;<", ">CPUID<",
          ">secrets<", ">VMSA<", ">CPUID page: 4 KiB, filled by the host<"}) {
        EXPECT_TRUE(contains(svg, part)) << part << "\n" << svg;
    }
    EXPECT_TRUE(contains(svg, "digest " + digest.substr(0, 47) + "<")) << svg;
    EXPECT_TRUE(contains(svg, ">" + digest.substr(47) + "<")) << svg;
    for (const char* part : {">error range<", ">zero pages<", ">relocatable<", ">parameters<"}) {
        EXPECT_FALSE(contains(svg, part)) << part;
    }
}

/// diff names what went in and is another one, by a manifest or by what the file says of itself.
TEST_F(IgvmTool, DiffNamesTheParts) {
    write("flat.bin", Bytes(5000, 0xF4));
    write("initrd", Bytes(9000, 1));
    write("initrd-2", Bytes(9000, 2));
    const std::string build = "build --platform sev-es,snp --payload flat.bin --payload-address "
                              "0x1000000 ";
    ASSERT_EQ(run(build + "--cmdline quiet --initrd initrd --out a.igvm --manifest a.json").status,
              0);
    ASSERT_EQ(run(build + "--cmdline loud --initrd initrd-2 --out b.igvm --manifest b.json").status,
              0);
    for (const std::string more :
         {"", " --left-manifest a.json --right-manifest b.json", " --right-manifest b.json"}) {
        const auto found = run("diff a.igvm b.igvm" + more);
        EXPECT_EQ(found.status, 1) << found.errors;
        for (const char* part : {"command line: \"quiet\" | \"loud\"\n",
                                 "sev-snp, sev-es: hand-over, 0x", "sev-snp, sev-es: initrd, 0x"}) {
            EXPECT_TRUE(contains(found.out, part)) << part << " in\n" << found.out;
        }
        EXPECT_EQ(contains(found.out, "initrd: 9000 bytes, SHA-256 "), contains(more, "left"));
        EXPECT_FALSE(contains(found.out, "payload")) << found.out;
        const Json object = Json::parse(run("diff a.igvm b.igvm --json" + more).out);
        EXPECT_EQ(object.at("differences")[0].at("kind"), "part");
        EXPECT_EQ(object.at("differences")[0].at("part"), "command line");
    }
    ASSERT_EQ(run("build --platform sev-es --cbit 47 --out c.igvm").status, 0);
    ASSERT_EQ(run("build --platform sev-es --cbit 51 --out d.igvm").status, 0);
    const auto tables = run("diff c.igvm d.igvm");
    EXPECT_TRUE(contains(tables.out, "sev-es: page tables, 0x200000..0x201000")) << tables.out;
    EXPECT_EQ(run("diff a.igvm b.igvm --left-manifest a.igvm").status, 2);
    const std::string wrong = R"({"schema":"vestibule.manifest/1","stub":7,"options":[],
"layout":{"parts":[1,{"gpa":-1,"size":"x"}]}})";
    write("wrong.json", Bytes(wrong.begin(), wrong.end()));
    EXPECT_EQ(run("diff a.igvm b.igvm --left-manifest wrong.json").status, 1);
}

/// EC2 as it was: RDX 0 in all vCPUs.
TEST_F(IgvmTool, ExplainsTheFormerEc2) {
    write("amdsev.fd", amd_sev_volume());
    FirmwareLaunchOptions options{.launch     = options_for(PlatformType::sev_snp, Vmm::ec2),
                                  .hash_table = {}};
    options.launch.vcpus     = 4;
    options.launch.vmm.reset = &former_ec2_reset;
    const Bytes volume       = amd_sev_volume();
    const auto launch        = launch_of(*parse_firmware(volume), options);
    ASSERT_TRUE(launch);
    for (const Step& step : launch->steps) {
        if (step.type == PageType::vmsa) {
            EXPECT_EQ(load<x86::Vmsa>(step.data).rdx, 0u);
        }
    }
    const std::string digest = to_hex(measure(*launch, 1));
    const auto found =
        run("explain --firmware amdsev.fd --vmm qemu --vcpus 4 --expected " + digest);
    EXPECT_EQ(found.status, 0) << found.errors;
    EXPECT_TRUE(contains(found.out, "monitor ec2 before its change")) << found.out;
    const Json ec2 = Json::parse(
        run("explain --firmware amdsev.fd --vmm ec2 --vcpus 4 --json --expected " + digest).out);
    bool in_all = false;
    for (const auto& explanation : ec2.at("explanations")) {
        for (const auto& cause : explanation) {
            in_all =
                in_all
                || (cause.at("cause") == "RDX 0 in every vCPU" && cause.at("in_vcpus") == "all");
        }
    }
    EXPECT_TRUE(in_all) << ec2.dump(1);
}

} // namespace vestibule::igvm::test
