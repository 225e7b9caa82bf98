// SPDX-License-Identifier: BSD-2-Clause-Patent
// The project's own image, as an SEV-SNP guest on the model of KVM: what its first instructions
// rely on is there when the first vCPU runs, and what it asks for on its way is served.
#include "tests/launcher/fixture.h"

#include "igvm/image/build.h"
#include "launcher/run.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <unistd.h>

namespace vestibule::launcher::test {

namespace {

struct Row {
    const char* name;
    const char* elf;
    boot::Entry entry;
};

constexpr Row images[] = {
    {"32",     VESTIBULE_STUB_IMAGE32,      boot::Entry::legacy32},
    {"compat", VESTIBULE_STUB_IMAGE_COMPAT, boot::Entry::compat  },
    {"64",     VESTIBULE_STUB_IMAGE64,      boot::Entry::long64  },
};

Bytes read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.good()) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

Model::Exit hypercall(u64 gpa, u64 pages, bool to_private) {
    return [=](kvm_run& run) {
        run.exit_reason       = KVM_EXIT_HYPERCALL;
        run.hypercall.nr      = 12; // KVM_HC_MAP_GPA_RANGE
        run.hypercall.args[0] = gpa;
        run.hypercall.args[1] = pages;
        run.hypercall.args[2] = to_private ? 0x10 : 0;
        return 0;
    };
}

Model::Exit out(u16 port, u8 value) {
    return [=](kvm_run& run) {
        run.exit_reason                            = KVM_EXIT_IO;
        run.io.direction                           = KVM_EXIT_IO_OUT;
        run.io.port                                = port;
        run.io.size                                = 1;
        run.io.count                               = 1;
        run.io.data_offset                         = page_size;
        *(reinterpret_cast<u8*>(&run) + page_size) = value; // NOLINT
        return 0;
    };
}

struct Image {
    explicit Image(const Row& row, u32 vcpus) : elf(read_file(row.elf)) {
        const auto stub = igvm::read_stub_image(elf);
        EXPECT_TRUE(stub);
        auto built = igvm::build(
            *stub,
            {
                .platforms = {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp},
                .entry     = row.entry,
                .vcpus     = vcpus
        },
            {});
        EXPECT_TRUE(built) << built.error();
        file = std::move(*built);
    }

    Bytes elf;
    igvm::BuiltFile file;
};

} // namespace

TEST(LauncherSelftestImage, FindsWhatItsFirstInstructionsRelyOn) {
    for (const Row& row : images) {
        for (const u32 vcpus : {1u, 2u}) {
            SCOPED_TRACE(testing::Message() << row.name << ", " << vcpus << " vCPUs");
            const Image image(row, vcpus);
            Launching own(image.file.bytes);
            own.launch(PlatformType::sev_snp, vcpus);
            EXPECT_EQ(own.model.digest(), own.expected.digest)
                << "the digest that igvmtool measures";

            // All of the image is the guest's, or PVALIDATE of its cleared memory would find pages
            // that are not; nothing of that was loaded.
            const auto& at  = image.file.layout.at;
            unsigned loaded = 0;
            for (u64 gpa = at.base; gpa < at.base + at.image_size; gpa += page_size) {
                EXPECT_TRUE(own.model.is_private(gpa)) << std::hex << gpa;
                loaded += own.model.private_page(gpa).empty() ? 0 : 1;
            }
            unsigned measured = 0;
            for (const igvm::PageCount& count : image.file.pages) {
                if (count.platform == PlatformType::sev_snp) {
                    measured = count.page_tables + count.stub + count.payload + count.snp;
                }
            }
            EXPECT_EQ(loaded, measured);

            // It begins where the measured state says, and each further vCPU in its own.
            const u64 entry = own.model.regs(0).rip;
            EXPECT_GT(entry, at.base);
            EXPECT_LT(entry, at.base + at.image_size);
            EXPECT_FALSE(own.model.private_page(entry & ~(page_size - 1)).empty());
            EXPECT_EQ(own.model.regs(0).rbx, row.entry == boot::Entry::long64 ? 0U : at.base);
            if (vcpus > 1) {
                EXPECT_NE(own.model.regs(1).rip, entry);
            }
        }
    }
}

/// The exits that it makes under KVM: its GHCB page made shared, the page of its cases to and fro,
/// and its lines by the serial port.
TEST(LauncherSelftestImage, IsServedToItsEnd) {
    for (const Row& row : images) {
        SCOPED_TRACE(row.name);
        const Image image(row, 1);
        Launching own(image.file.bytes);
        own.launch(PlatformType::sev_snp);
        const auto& at         = image.file.layout.at;
        const u64 ghcb_page    = at.base + at.image_size - 16 * page_size; // memory that it clears
        own.model.script       = {hypercall(ghcb_page, 1, false),
                                  hypercall(ghcb_page + page_size, 1, false),
                                  hypercall(ghcb_page + page_size, 1, true)};
        const std::string said = "TAP version 14\n1..41\n";
        for (const char character : said) {
            own.model.script.push_back(out(0x3F8, static_cast<u8>(character)));
        }
        own.model.script.push_back(out(0xF4, 0));
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        const RunResult result = run(*own.calls, *own.guest,
                                     {.memory   = own.plan.machine.memory,
                                      .serial   = ends[1],
                                      .keyboard = false,
                                      .timeout  = std::chrono::seconds(10),
                                      .watch    = {}});
        close(ends[1]);
        char buffer[64]{};
        EXPECT_EQ(read(ends[0], buffer, sizeof buffer), static_cast<ssize_t>(said.size()));
        close(ends[0]);
        EXPECT_EQ(buffer, said);
        EXPECT_EQ(result.end.words, "the guest exited with code 0");
        EXPECT_FALSE(own.model.is_private(ghcb_page)) << "the hypervisor's";
        EXPECT_TRUE(own.model.is_private(ghcb_page + page_size)) << "the guest's again";
        EXPECT_EQ(result.exits.at(KVM_EXIT_IO), said.size() + 1);
    }
}

} // namespace vestibule::launcher::test
