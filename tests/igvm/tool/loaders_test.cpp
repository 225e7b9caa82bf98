// SPDX-License-Identifier: BSD-2-Clause-Patent
// Our files in the loaders of other monitors, as models of them have it: each is accepted, the
// launch digest is the one that igvmtool says, and the guest has the memory that its file says.
#include "tests/igvm/tool/fixture.h"
#include "tests/igvm/tool/loader_models.h"

#include "igvm/format/file_content.h"
#include "igvm/format/hex.h"
#include "igvm/measure/kernel_hashes.h"
#include "igvm/measure/launch_digest.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vestibule::igvm::test {

using Json = nlohmann::json;

class IgvmLoaders : public IgvmTool {
  protected:
    /// The file that `igvmtool build` makes with these arguments.
    [[nodiscard]] Bytes build(const std::string& arguments) const {
        const auto built = run("build --out guest.igvm " + arguments);
        EXPECT_EQ(built.status, 0) << arguments << ": " << built.errors;
        const std::string content = read("guest.igvm");
        return {content.begin(), content.end()};
    }

    /// Of the file that was built last.
    [[nodiscard]] std::string measured(const std::string& arguments) const {
        const auto outcome = run("measure guest.igvm --json " + arguments);
        EXPECT_EQ(outcome.status, 0) << arguments << ": " << outcome.errors;
        return outcome.status == 0 ? Json::parse(outcome.out).at("launch_digest").get<std::string>()
                                   : "";
    }

    /// A flat payload of more than one page, with pages of zeros in it.
    void write_payload() const {
        Bytes code(5 * page_size, 0);
        code[0]             = 0xF4;
        code[3 * page_size] = 0x90;
        code.back()         = 1;
        write("payload.bin", code);
    }

    static std::string words(PlatformType platform) {
        return platform == PlatformType::sev_snp  ? "snp"
               : platform == PlatformType::sev_es ? "sev-es"
                                                  : "native";
    }

    /// Each page that the file has for the platform is the guest's, with its bytes.
    static void expect_memory(const Bytes& file, const LoadedGuest& guest, PlatformType platform,
                              u32 vcpus) {
        const auto parsed = parse(file);
        ASSERT_TRUE(parsed);
        const auto content = file_content(
            *parsed, platform, {.memory = u64{256} << 20, .vcpus = vcpus, .command_line = {}});
        ASSERT_TRUE(content) << content.error();
        u64 pages = 0;
        for (const GuestPiece& piece : content->pieces) {
            for (u64 at = 0; at < piece.range.size; at += page_size, ++pages) {
                const auto found = guest.memory.find(piece.range.gpa + at);
                ASSERT_NE(found, guest.memory.end()) << std::hex << piece.range.gpa + at;
                Bytes bytes(page_size);
                if (at < piece.data.size()) {
                    std::ranges::copy(piece.data.subspan(at, page_size), bytes.begin());
                }
                EXPECT_EQ(found->second, bytes) << std::hex << piece.range.gpa + at;
            }
        }
        EXPECT_EQ(guest.memory.size(), pages) << "one page twice";
        EXPECT_GT(pages, 0u);
    }
};

static const std::vector<std::string>& kinds() {
    static const std::vector<std::string> all = {
        "",
        "--entry 32",
        "--entry compat",
        "--parameters memory-map,vp-count",
        "--payload payload.bin --payload-address 0x1000000",
        "--payload payload.bin --payload-address 0x1000000 --initrd payload.bin --memory 64M "
        "--parameters memory-map,vp-count --cmdline quiet",
    };
    return all;
}

TEST_F(IgvmLoaders, QemuLoadsEachKindNativelyAndEncrypted) {
    write_payload();
    for (const std::string& kind : kinds()) {
        for (const u32 vcpus : {1u, 4u}) {
            SCOPED_TRACE(kind + fmt::format(" --vcpus {}", vcpus));
            const Bytes file =
                build(fmt::format("--platform native,sev-es,sev-snp --vcpus {} {}", vcpus, kind));
            for (const PlatformType platform :
                 {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp}) {
                SCOPED_TRACE(words(platform));
                const LoadedGuest guest = load_as_qemu(file, {.platform      = platform,
                                                              .memory        = u64{256} << 20,
                                                              .vcpus         = vcpus,
                                                              .kernel_hashes = {}});
                EXPECT_EQ(guest.refusal, "");
                EXPECT_EQ(guest.ram_beyond, 0u);
                expect_memory(file, guest, platform, vcpus);
                if (platform == PlatformType::native) {
                    EXPECT_EQ(guest.native_context.size(), page_size);
                    continue;
                }
                EXPECT_EQ(guest.vmsas.size(), vcpus);
                EXPECT_EQ(to_hex(guest.launch_digest),
                          measured(fmt::format("--vmm qemu --platform {} --vcpus {}",
                                               words(platform), vcpus)));
            }
        }
    }
}

/// Our files name parameters before pages, so that QEMU's late writing changes nothing; a file that
/// does not is launched in another order than it says.
TEST_F(IgvmLoaders, QemuWritesRunsOfPagesLate) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    writer.add(GuestPolicy{.policy = 0x3'0000, .compatibility_mask = mask, .reserved = 0});
    writer.add(
        ParameterArea{.number_of_bytes = page_size, .parameter_area_index = 0, .file_offset = 0});
    const auto page = [&](u64 gpa, u8 byte) {
        writer.add_page({.gpa                = gpa,
                         .compatibility_mask = mask,
                         .file_offset        = 0,
                         .flags              = 0,
                         .data_type          = PageDataType::normal,
                         .reserved           = 0},
                        Bytes(page_size, byte));
    };
    page(0x1000, 1);
    page(0x2000, 2);
    writer.add(
        ParameterInsert{.gpa = 0x9000, .compatibility_mask = mask, .parameter_area_index = 0});
    page(0x3000, 3); // goes on where the run ended, behind another directive
    x86::Vmsa own = vmsa(1);
    own.efer |= 0x1000;
    writer.add(VpContext{.gpa                = x86::vmsa_gpa,
                         .compatibility_mask = mask,
                         .file_offset        = 0,
                         .vp_index           = 0,
                         .reserved           = 0},
               bytes_of(own));
    const Bytes file        = must_finish(writer);
    const LoadedGuest guest = load_as_qemu(file, {});
    EXPECT_EQ(guest.refusal, "");
    EXPECT_EQ(guest.launched, (std::vector<u64>{0x9000, 0x1000, 0x2000, 0x3000}));
    write("guest.igvm", file);
    EXPECT_EQ(to_hex(guest.launch_digest), measured("--vmm qemu --platform snp"));
    // The others keep the order.
    EXPECT_EQ(load_as_openvmm(file, {}).launched,
              (std::vector<u64>{0x1000, 0x2000, 0x9000, 0x3000}));
}

TEST_F(IgvmLoaders, OpenVmmLoadsWhatIsBuiltForIt) {
    write_payload();
    for (const std::string& kind : kinds()) {
        if (kind.starts_with("--entry")) {
            continue;
        }
        SCOPED_TRACE(kind);
        const Bytes file        = build("--for openvmm " + kind);
        const LoadedGuest guest = load_as_openvmm(file, {});
        EXPECT_EQ(guest.refusal, "");
        EXPECT_EQ(run("check guest.igvm --vmm openvmm").status, 0);
        EXPECT_EQ(to_hex(guest.launch_digest), measured("--vmm openvmm --platform snp"));
    }
    // The model refuses what the rules do.
    const auto refused = [&](const std::string& arguments) {
        const Bytes file = build("--platform sev-snp " + arguments);
        EXPECT_NE(load_as_openvmm(file, {}).refusal, "") << arguments;
        const auto built = run("build --out none.igvm --for openvmm " + arguments);
        EXPECT_EQ(built.status, 1) << arguments;
        EXPECT_TRUE(contains(built.errors, "not loaded by OpenVMM on KVM")) << built.errors;
        EXPECT_EQ(read("none.igvm"), "") << "a file that would not be loaded";
    };
    refused("--entry 32");
    refused("--vcpus 2");
}

TEST_F(IgvmLoaders, CloudHypervisorLoadsWhatIsBuiltForIt) {
    write_payload();
    for (const std::string& kind : kinds()) {
        SCOPED_TRACE(kind);
        const Bytes file        = build("--for cloud-hypervisor " + kind);
        const LoadedGuest guest = load_as_cloud_hypervisor(file, {});
        EXPECT_EQ(guest.refusal, "");
        EXPECT_EQ(run("check guest.igvm --vmm cloud-hypervisor").status, 0);
        EXPECT_EQ(to_hex(guest.launch_digest), measured("--vmm cloud-hypervisor --platform snp"));
        // Pages of zeros bring them, so that it is the digest of other monitors too.
        EXPECT_EQ(to_hex(guest.launch_digest), measured("--vmm openvmm --platform snp"));
    }
}

/// What a file promises its guest of RAM has to be where the monitor has it: the devices begin
/// elsewhere in each.
TEST_F(IgvmLoaders, MemoryIsWhereTheMonitorHasIt) {
    write_payload();
    using Load           = LoadedGuest (*)(std::span<const u8>, const LoaderMachine&);
    constexpr u64 mib    = u64{1} << 20;
    const auto loads_all = [&](Load load, const std::string& monitor, u64 memory,
                               const std::string& below) {
        const Bytes file =
            build(fmt::format("{} --payload payload.bin --payload-address 0x1000000 --memory {}M{} "
                              "--parameters memory-map",
                              monitor, memory / mib, below));
        LoaderMachine machine;
        machine.memory          = memory;
        const LoadedGuest guest = load(file, machine);
        return guest.refusal.empty() && guest.ram_beyond == 0;
    };
    const std::string qemu = "--platform native,sev-es,sev-snp";
    for (const u64 memory : {3071 * mib, 3584 * mib - mib, 3584 * mib, 4096 * mib, 16384 * mib}) {
        SCOPED_TRACE(memory / mib);
        EXPECT_TRUE(loads_all(load_as_qemu, qemu, memory, ""));
        EXPECT_TRUE(loads_all(load_as_cloud_hypervisor, "--for cloud-hypervisor", memory,
                              memory < 3072 * mib ? "" : " --memory-below-4g 3G"));
        EXPECT_TRUE(loads_all(load_as_openvmm, "--for openvmm", memory,
                              memory < 3968 * mib ? fmt::format(" --memory-below-4g {}", memory)
                                                  : " --memory-below-4g 3968M"));
    }
    // Told of memory in one piece, where the monitor has two.
    EXPECT_FALSE(loads_all(load_as_cloud_hypervisor, "--for cloud-hypervisor", 3200 * mib, ""));
    EXPECT_FALSE(loads_all(load_as_openvmm, "--for openvmm", 16384 * mib, ""));
    EXPECT_FALSE(loads_all(load_as_qemu, qemu, 4096 * mib, " --memory-below-4g 2G"));
    // The file that was built last, by the other verbs.
    EXPECT_EQ(run("check guest.igvm --vmm qemu").status, 0);
    const auto shown = run("show guest.igvm");
    EXPECT_TRUE(contains(shown.out, "100000000")) << shown.out;
    EXPECT_EQ(run("show guest.igvm --svg guest.svg").status, 0);
    const auto explained =
        run("explain guest.igvm --platform snp --expected " + measured("--platform snp"));
    EXPECT_EQ(explained.status, 0) << explained.out << explained.errors;
}

/// The kernel by fw_cfg: its hashes are measured where the loader of the file looks for them.
TEST_F(IgvmLoaders, CloudHypervisorBootsAKernel) {
    const Bytes file = build("--for cloud-hypervisor --direct-boot");
    write("kernel", Bytes(3000, 7));
    write("initrd", Bytes(100, 8));
    LoaderMachine machine;
    machine.kernel_hashes   = hash_table({.kernel       = sha256(Bytes(3000, 7)),
                                          .initrd       = sha256(Bytes(100, 8)),
                                          .command_line = "console=ttyS0"});
    const LoadedGuest guest = load_as_cloud_hypervisor(file, machine);
    EXPECT_EQ(guest.refusal, "");
    EXPECT_EQ(to_hex(guest.launch_digest),
              measured("--vmm cloud-hypervisor --platform snp --kernel kernel --initrd initrd "
                       "--append console=ttyS0"));
    const Bytes& page = guest.memory.at(0x1'0000);
    EXPECT_TRUE(std::ranges::equal(machine.kernel_hashes,
                                   std::span(page).subspan(0xC00, machine.kernel_hashes.size())));
    // A file without a page for them is not for a kernel.
    EXPECT_NE(load_as_cloud_hypervisor(build("--for cloud-hypervisor"), machine).refusal, "");
}

TEST_F(IgvmLoaders, ForSaysWhatItKnows) {
    const auto unknown = run("build --out a.igvm --for nobody");
    EXPECT_EQ(unknown.status, 2);
    EXPECT_TRUE(contains(unknown.errors, "found nobody")) << unknown.errors;
    EXPECT_EQ(run("build --out a.igvm --for ec2").status, 2); // which loads none
    EXPECT_EQ(run("build --flash a.fd --for qemu").status, 2);
    EXPECT_EQ(run("build --out a.igvm --for cloud-hypervisor-mshv").status, 0);
    EXPECT_EQ(run("check a.igvm --vmm cloud-hypervisor-mshv").status, 0);
}

} // namespace vestibule::igvm::test
