// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool as its users meet it: exit status, what goes to which stream, and what is left on disk.
#include "tests/igvm/payload_fixture.h"
#include "tests/igvm/tool/fixture.h"

#include "igvm/measure/digest.h"

#include <nlohmann/json.hpp>

#include <set>

namespace vestibule::igvm::test {

TEST_F(IgvmTool, BuildsAndShows) {
    write("stub.elf", good_elf().finish());
    const auto built = run("build --stub " + path("stub.elf") + " --out " + path("guest.igvm"));
    EXPECT_EQ(built.status, 0) << built.errors;
    EXPECT_TRUE(contains(built.out, "sev-es: 9 measured pages = 1 page tables + 5 stub + 2 payload "
                                    "+ 1 VMSA"))
        << built.out;
    EXPECT_TRUE(
        contains(built.out, "native: 8 loaded pages = 1 page tables + 5 stub + 2 payload\n"))
        << built.out;

    const auto shown = run("show " + path("guest.igvm"));
    EXPECT_EQ(shown.status, 0) << shown.errors;
    for (const char* part :
         {"IGVM version 1, x64", "sev-es: mask 0x2", "REQUIRED_MEMORY 0x200000..0x20c000",
          "0x201000..0x203000: 2 x 4K data, normal, measured [native, sev-es]",
          "0x203000..0x204000: 1 x 4K zero", "0x200000..0x201000: 1 x 4K data, normal, loaded",
          "VMSA at 0xfffffffff000", "attr a9b: 64-bit code", "attr a09b: 64-bit code",
          "rip              0x201010", "x87_fcw          0x37f"}) {
        EXPECT_TRUE(contains(shown.out, part)) << part << " in\n" << shown.out;
    }
}

TEST_F(IgvmTool, BuildsTheBuiltInImage) {
    const auto built = run("build --platform sev-es --cbit 47 --out " + path("guest.igvm"));
    EXPECT_EQ(built.status, 0) << built.errors;
    EXPECT_FALSE(contains(built.out, "native"));
}

TEST_F(IgvmTool, BuildsForEachEntry) {
    struct Case {
        const char* entry;
        const char* pages;
        const char* mode;
        const char* code;
    };

    for (const Case& test : {
             Case{.entry = "32",
                  .pages = "0 page tables",
                  .mode  = "starts in 32-bit legacy protected mode, paging off",
                  .code  = "attr c9b: 32-bit code"},
             Case{.entry = "compat",
                  .pages = "1 page tables",
                  .mode  = "starts in 32-bit compatibility mode",
                  .code  = "attr c9b: 32-bit code"},
             Case{.entry = "64",
                  .pages = "1 page tables",
                  .mode  = "starts in 64-bit mode",
                  .code  = "attr a9b: 64-bit code"}
    }) {
        const auto built =
            run(std::string("build --entry ") + test.entry + " --out " + path("guest.igvm"));
        EXPECT_EQ(built.status, 0) << built.errors;
        EXPECT_TRUE(contains(built.out, test.pages)) << built.out;
        const auto shown = run("show " + path("guest.igvm"));
        EXPECT_TRUE(contains(shown.out, std::string("[native], ") + test.mode)) << shown.out;
        EXPECT_TRUE(contains(shown.out, std::string("0xfffffffff000, ") + test.mode)) << shown.out;
        EXPECT_TRUE(contains(shown.out, test.code)) << shown.out;
    }
}

TEST_F(IgvmTool, NamesTheEntryThatAnImageLacks) {
    write("stub.elf", good_elf().finish());
    for (const auto& [entry, symbol] :
         {std::pair("32", "entry32"), std::pair("compat", "entry_compat")}) {
        const auto built = run("build --stub " + path("stub.elf") + " --entry " + entry + " --out "
                               + path("guest.igvm"));
        EXPECT_EQ(built.status, 1);
        EXPECT_TRUE(contains(built.errors, "stub.elf: ")) << built.errors;
        EXPECT_TRUE(contains(built.errors, symbol)) << built.errors;
    }
    EXPECT_EQ(files().size(), 1u) << "something was left behind";
}

TEST_F(IgvmTool, BuildsPayloads) {
    write("kernel.elf", executable().finish());
    write("bzImage", bzimage());
    write("code.bin", Bytes(5000, 0x90));
    write("initrd.img", Bytes(10'000, 0x1D));
    for (const char* arguments :
         {"kernel.elf --initrd initrd.img --cmdline a --entry 32", "kernel.elf --entry compat",
          "bzImage --initrd initrd.img --cmdline quiet --memory 32M",
          "code.bin --payload-address 0x200000 --platform snp,sev-es,native --vcpus 4",
          "code.bin --payload-address 4096 --parameters memory-map,vp-count"}) {
        const auto built = run(std::string("build --out guest.igvm --payload ") + arguments);
        EXPECT_EQ(built.status, 0) << arguments << "\n" << built.errors;
        const auto checked = run("check guest.igvm --vmm qemu");
        EXPECT_EQ(checked.status, 0) << arguments << "\n" << checked.out;
        EXPECT_EQ(run("show guest.igvm --json --svg guest.svg").status, 0);
    }
    const auto measured = run("build --out guest.igvm --payload kernel.elf --initrd initrd.img "
                              "--platform snp --vcpus 2");
    EXPECT_TRUE(contains(measured.out, " payload + 3 initrd + 2 CPUID and secrets + 2 VMSA\n"))
        << measured.out;
    EXPECT_EQ(run("measure guest.igvm --platform snp").status, 0);
}

TEST_F(IgvmTool, PayloadsOfWrongUseOrWrongContent) {
    write("kernel.elf", executable().finish());
    write("bzImage", bzimage());
    write("code.bin", Bytes(5000, 0x90));
    write("empty", {});
    for (const char* wrong :
         {"--initrd code.bin", "--cmdline x", "--payload-address 0x1000000", "--memory 64M",
          "--payload kernel.elf --payload-address 0x1000000",
          "--payload bzImage --payload-address 0x1000000", "--payload bzImage --memory 1M",
          "--payload bzImage --memory x", "--payload kernel.elf --policy 0x30000",
          "--policy 0x10000 --platform snp", "--vcpus 0", "--parameters madt"}) {
        const auto outcome = run(std::string("build --out guest.igvm ") + wrong);
        EXPECT_EQ(outcome.status, 2) << wrong;
        EXPECT_TRUE(contains(outcome.errors, "igvmtool: ")) << wrong;
    }
    const std::pair<const char*, const char*> failures[] = {
        {"--payload none.elf",                                 "none.elf: "                     },
        {"--payload code.bin",                                 "or an address for a flat binary"},
        {"--payload kernel.elf --initrd none",                 "none: "                         },
        {"--payload kernel.elf --initrd empty",                "found 0 bytes"                  },
        {"--payload kernel.elf --base 0x1000000",              "overlaps the stub's 2 MiB"      },
        {"--payload bzImage --memory 4M",                      "more --memory is needed"        },
        {"--payload code.bin --payload-address 0x123",         "found 0x123"                    },
        {"--payload kernel.elf --stub kernel.elf",             "kernel.elf: offset 0x"          },
        {"--payload kernel.elf --manifest none/manifest.json", "none/manifest.json"             },
    };
    for (const auto& [arguments, message] : failures) {
        const auto outcome = run(std::string("build --out guest.igvm ") + arguments);
        EXPECT_EQ(outcome.status, 1) << arguments << outcome.errors;
        EXPECT_TRUE(contains(outcome.errors, message)) << outcome.errors;
    }
}

TEST_F(IgvmTool, ManifestSaysWhatWentIn) {
    using Json         = nlohmann::json;
    const Bytes kernel = executable().finish();
    const Bytes initrd(10'000, 0x1D);
    write("kernel.elf", kernel);
    write("initrd.img", initrd);
    const std::string line = "build --payload kernel.elf --initrd initrd.img --cmdline 'a \"b\"' "
                             "--platform snp,native --vcpus 2 --parameters vp-count ";
    ASSERT_EQ(run(line + "--out a.igvm --manifest a.json").status, 0);
    json::expect_valid(read("a.json"));
    const Json manifest    = Json::parse(read("a.json"));
    const std::string file = read("a.igvm");
    EXPECT_EQ(manifest.at("out").at("sha256"), to_hex(sha256(Bytes(file.begin(), file.end()))));
    EXPECT_EQ(manifest.at("payload").at("sha256"), to_hex(sha256(kernel)));
    EXPECT_EQ(manifest.at("payload").at("file"), "kernel.elf");
    EXPECT_EQ(manifest.at("payload").at("format"), "ELF64");
    EXPECT_EQ(manifest.at("payload").at("entry"), "0x1000010");
    EXPECT_EQ(manifest.at("initrd").at("sha256"), to_hex(sha256(initrd)));
    EXPECT_EQ(manifest.at("initrd").at("size"), 10'000);
    EXPECT_EQ(manifest.at("command_line"), "a \"b\"");
    EXPECT_EQ(manifest.at("stub").at("file"), "built-in stub");
    const Json& options = manifest.at("options");
    EXPECT_EQ(options.at("platforms"), Json({"sev-snp", "native"}));
    EXPECT_EQ(options.at("vcpus"), 2);
    EXPECT_EQ(options.at("snp_policy"), "0x30000");
    EXPECT_EQ(options.at("vp_count"), true);
    const Json& layout = manifest.at("layout");
    EXPECT_EQ(layout.at("base"), "0x200000");
    EXPECT_EQ(layout.at("parameters")[0].at("parameter"), "VP_COUNT_PARAMETER");
    std::set<std::string> parts;
    for (const Json& row : layout.at("parts")) {
        parts.insert(row.at("part"));
    }
    EXPECT_EQ(parts, (std::set<std::string>{"page tables", "stub", "hand-over", "payload", "initrd",
                                            "CPUID page", "secrets page"}));
    ASSERT_EQ(run(line + "--out a.igvm --manifest b.json").status, 0);
    EXPECT_EQ(read("a.json"), read("b.json"));
}

TEST_F(IgvmTool, SamePlaceSameBytes) {
    EXPECT_EQ(run("build --out " + path("a")).status, 0);
    EXPECT_EQ(run("build --out " + path("b")).status, 0);
    EXPECT_EQ(read("a"), read("b"));
}

TEST_F(IgvmTool, WrongUseIsTwo) {
    const std::string out = " --out " + path("guest.igvm");
    for (const std::string& arguments :
         {std::string(), std::string("frobnicate"), std::string("build"), std::string("show"),
          "build --platform sev" + out, "build --platform nonsense" + out,
          "build --platform native,native" + out, "build --cbit 31" + out, "build --cbit 52" + out,
          "build --cbit x" + out, "build --entry 16" + out, "build --entry 64,32" + out,
          "build --base 0x1000" + out, "build --base 0x40000000" + out,
          "build --base 0x100000000" + out, "build --unknown" + out}) {
        const auto outcome = run(arguments);
        EXPECT_EQ(outcome.status, 2) << arguments;
        EXPECT_EQ(outcome.out, "") << arguments;
        EXPECT_TRUE(contains(outcome.errors, "igvmtool: ")) << arguments;
    }
    EXPECT_TRUE(files().empty());
}

TEST_F(IgvmTool, FailedWorkIsOneAndLosesNothing) {
    write("guest.igvm", Bytes(10, 'x'));
    Elf elf = good_elf();
    elf.add_section(SHT_RELA, 24, ".rela.dyn");
    write("bad.elf", elf.finish());
    const auto built = run("build --stub " + path("bad.elf") + " --out " + path("guest.igvm"));
    EXPECT_EQ(built.status, 1);
    for (const char* part : {"bad.elf", "offset 0x", ".rela.dyn", "found 0x18", "expected"}) {
        EXPECT_TRUE(contains(built.errors, part)) << built.errors;
    }
    EXPECT_EQ(read("guest.igvm"), "xxxxxxxxxx");

    const auto shown = run("show " + path("guest.igvm"));
    EXPECT_EQ(shown.status, 1);
    EXPECT_TRUE(contains(shown.errors,
                         "guest.igvm: not an IGVM file: offset 0x0: found 0xa, expected a whole"))
        << shown.errors;
    EXPECT_EQ(run("show " + path("none.igvm")).status, 1);
    EXPECT_EQ(run("build --stub " + path("none.elf") + " --out " + path("guest.igvm")).status, 1);
    EXPECT_EQ(run("build --out " + path("none/guest.igvm")).status, 1);
    EXPECT_EQ(files().size(), 2u) << "something was left behind";
}

TEST_F(IgvmTool, ReplacesWhatALinkPointsTo) {
    write("real.igvm", Bytes(10, 'x'));
    std::filesystem::create_symlink("real.igvm", path("link.igvm"));
    EXPECT_EQ(run("build --out " + path("link.igvm")).status, 0);
    EXPECT_TRUE(std::filesystem::is_symlink(path("link.igvm")));
    EXPECT_TRUE(read("real.igvm").starts_with("IGVM"));
}

TEST_F(IgvmTool, Version) {
    const auto version = run("--version");
    EXPECT_EQ(version.status, 0);
    EXPECT_TRUE(version.out.starts_with("igvmtool ")) << version.out;
}

TEST_F(IgvmTool, LostOutputIsFailedWork) {
    EXPECT_EQ(run("build --out " + path("guest.igvm")).status, 0);
    // NOLINTNEXTLINE(bugprone-command-processor, cert-env33-c)
    const int status =
        std::system((IGVMTOOL " show " + path("guest.igvm") + " >/dev/full").c_str());
    EXPECT_EQ(WEXITSTATUS(status), 1);
}

} // namespace vestibule::igvm::test
