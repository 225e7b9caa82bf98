// SPDX-License-Identifier: BSD-2-Clause-Patent
// Whole launches on the model of KVM and the secure processor: what is measured is what igvmtool
// measures, what is launched is encrypted, and no other order of the steps is accepted.
#include "tests/launcher/fixture.h"

#include "igvm/vmm/kernel_profile.h"
#include "kvm/call_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace vestibule::launcher::test {

namespace {
constexpr u64 all_types = 0x1F;

struct KernelRow {
    const char* release;
    u64 vm_types;
    igvm::Vmm vmm;
};

constexpr KernelRow kernels[] = {
    {"6.1.0-56-amd64", 0,         igvm::Vmm::kvm_6_1 },
    {"6.8.0",          0,         igvm::Vmm::kvm_6_8 },
    {"6.10.3",         0x0F,      igvm::Vmm::kvm_6_11},
    {"6.11.2",         all_types, igvm::Vmm::kvm_6_11},
    {"6.12.38+deb13",  all_types, igvm::Vmm::kvm_6_12},
    {"6.17.8",         all_types, igvm::Vmm::kvm_6_12},
    {"6.18.15",        all_types, igvm::Vmm::kvm_6_18},
    {"7.0.9",          all_types, igvm::Vmm::kvm_6_18},
    {"7.1.0",          all_types, igvm::Vmm::kvm_7_1 },
    {"7.2.8",          all_types, igvm::Vmm::kvm_7_2 },
    {"no version",     all_types, igvm::Vmm::kvm_6_11},
};

bool can(const KernelRow& kernel, PlatformType platform) {
    return platform == PlatformType::sev_es || kernel.vm_types == all_types;
}

std::vector<u8> measured_by_igvmtool(const Bytes& file, PlatformType platform, igvm::Vmm vmm,
                                     u32 vcpus) {
    auto options    = igvm::test::options_for(platform, vmm);
    options.vcpus   = vcpus;
    const auto own  = *igvm::parse(file);
    const auto what = igvm::launch_of(own, options);
    EXPECT_TRUE(what) << what.error();
    return igvm::measure(*what, 1);
}
} // namespace

TEST(LauncherLaunch, KnowsTheKernelByItsRelease) {
    for (const KernelRow& kernel : kernels) {
        const auto found = igvm::profile_of_kernel(kernel.release, kernel.vm_types != 0);
        EXPECT_EQ(found.profile.vmm, kernel.vmm) << kernel.release;
        EXPECT_TRUE(found.verified) << kernel.release;
    }
    const auto newer = igvm::profile_of_kernel("7.3.0", true);
    EXPECT_EQ(newer.profile.vmm, igvm::Vmm::kvm_7_2);
    EXPECT_EQ(newer.words(), "kvm-7.2, not verified: it is newer");
}

TEST(LauncherLaunch, MeasuresWhatIgvmtoolMeasures) {
    unsigned launches = 0;
    for (const PlatformType platform : {PlatformType::sev_es, PlatformType::sev_snp}) {
        for (const u32 brought : {0u, 1u, 2u}) {
            const Bytes bytes =
                launch_file(platform, std::vector<x86::Vmsa>(brought, plain_vmsa(platform)));
            for (const KernelRow& kernel : kernels) {
                for (u32 vcpus = std::max(brought, 1u); vcpus <= 9 && can(kernel, platform);
                     ++vcpus) {
                    SCOPED_TRACE(testing::Message() << kernel.release << ", " << vcpus << " vCPUs, "
                                                    << brought << " contexts");
                    Launching own(bytes, {.release = kernel.release, .vm_types = kernel.vm_types});
                    own.launch(platform, vcpus);
                    const auto wanted = measured_by_igvmtool(bytes, platform, kernel.vmm, vcpus);
                    EXPECT_EQ(own.model.digest(), wanted);
                    EXPECT_EQ(own.expected.digest, wanted);
                    ++launches;
                }
            }
        }
    }
    EXPECT_GT(launches, 300U);
}

TEST(LauncherLaunch, MeasuresVmsasOfRandomRegisters) {
    std::mt19937_64 random(7);
    for (unsigned n = 0; n < 200; ++n) {
        SCOPED_TRACE(n);
        const PlatformType platform = n % 2 == 0 ? PlatformType::sev_es : PlatformType::sev_snp;
        const KernelRow& kernel     = kernels[platform == PlatformType::sev_es ? n % 8 : 3 + n % 4];
        x86::Vmsa vmsa{};
        auto* bytes = reinterpret_cast<u8*>(&vmsa); // NOLINT: filled as bytes
        for (u64 at = 0; at < sizeof(vmsa); ++at) {
            bytes[at] = static_cast<u8>(random());
        }
        // What KVM would refuse
        vmsa.dr7          = 0x400;
        vmsa.xcr0         = vmsa.xcr0 | 1;
        vmsa.g_pat        = 0x0007'0406'0007'0406;
        vmsa.efer         = 0x1D00;
        vmsa.cr0          = vmsa.cr0 | 0x8000'0001;
        vmsa.cr4          = vmsa.cr4 | 0x20;
        vmsa.sev_features = platform == PlatformType::sev_snp ? 0x21 : 0x20;
        vmsa.x87_ftw      = vmsa.x87_ftw & 0xFF;
        const Bytes file  = launch_file(platform, {vmsa});
        Launching own(file, {.release = kernel.release, .vm_types = kernel.vm_types});
        own.launch(platform);
        EXPECT_EQ(own.model.digest(), measured_by_igvmtool(file, platform, kernel.vmm, 1));
        EXPECT_FALSE(own.expected.findings.empty()); // reserved fields are dropped, and it is said
    }
}

TEST(LauncherLaunch, ASegmentThatIsNotPresentIsUnusable) {
    x86::Vmsa vmsa     = plain_vmsa(PlatformType::sev_es);
    vmsa.es.attributes = 0;
    Launching own(launch_file(PlatformType::sev_es, {vmsa}));
    own.launch(PlatformType::sev_es);
    EXPECT_EQ(own.model.sregs(0).es.unusable, 1);
    EXPECT_EQ(own.model.sregs(0).ds.unusable, 0);
    EXPECT_EQ(own.model.digest(), own.expected.digest);
}

TEST(LauncherLaunch, EncryptsWhatIsMeasuredAndLeavesTheRest) {
    for (const PlatformType platform : {PlatformType::sev_es, PlatformType::sev_snp}) {
        const bool snp = platform == PlatformType::sev_snp;
        Launching own(launch_file(platform, {plain_vmsa(platform)}));
        own.launch(platform);
        Bytes wanted = igvm::test::hlt_page();
        wanted[1]    = 0x02;
        EXPECT_EQ(own.model.private_page(0x2000), wanted);
        EXPECT_NE(own.model.host_page(0x2000), wanted);
        EXPECT_EQ(own.model.is_private(0x2000), snp);
        EXPECT_EQ(own.model.private_page(0x10'1000), Bytes(page_size)); // zeros, encrypted
        // Without SNP an unmeasured page and the parameters stay for the shared view.
        wanted[1] = 0x55;
        EXPECT_EQ(snp ? own.model.private_page(0x6000) : own.model.host_page(0x6000), wanted);
        const Bytes map = snp ? own.model.private_page(0x8000) : own.model.host_page(0x8000);
        u64 first[3];
        std::memcpy(first, map.data(), sizeof(first));
        EXPECT_EQ(first[0], 0U);
        EXPECT_EQ(first[1], (u64{256} << 20) / page_size);
        EXPECT_EQ(first[2], 0U);
        EXPECT_TRUE(own.model.private_page(0x7000).empty()) << "a page that the file does not have";
    }
}

TEST(LauncherLaunch, RequiredMemoryIsPrivateButForSharedPages) {
    for (const PlatformType platform : {PlatformType::sev_es, PlatformType::sev_snp}) {
        const bool snp = platform == PlatformType::sev_snp;
        Launching own(launch_file(platform, {plain_vmsa(platform)}, true));
        own.launch(platform);
        EXPECT_EQ(own.model.is_private(0x2'0000), snp);
        EXPECT_EQ(own.model.is_private(0x2'3000), snp);
        EXPECT_FALSE(own.model.is_private(0x2'4000));
        EXPECT_FALSE(own.model.is_private(0x2'1000));
        Bytes wanted = igvm::test::hlt_page();
        wanted[1]    = 0x66;
        EXPECT_EQ(own.model.host_page(0x2'1000), wanted);
        EXPECT_EQ(own.model.digest(), own.expected.digest);
    }
}

TEST(LauncherLaunch, PagesOutsideOfRamGetMemoryOfTheirOwn) {
    using namespace igvm;
    for (const bool across : {false, true}) {
        Writer writer;
        const u32 mask = writer.add_platform(PlatformType::sev_snp);
        // The last two pages below 4 GiB, where a firmware lies; or the end of RAM and one behind
        // it.
        const u64 first = across ? (u64{256} << 20) - page_size : 0xFFFF'E000;
        writer.add_page(igvm::test::page_data(mask, first), igvm::test::hlt_page());
        writer.add_page(igvm::test::page_data(mask, first + page_size), igvm::test::hlt_page());
        Launching own(igvm::test::must_finish(writer));
        std::string message;
        try {
            own.launch(PlatformType::sev_snp);
            EXPECT_EQ(own.model.private_page(0xFFFF'F000), igvm::test::hlt_page());
            EXPECT_EQ(own.model.digest(), own.expected.digest);
            EXPECT_EQ(own.guest->memory().slots().size(), 2U);
        } catch (const LaunchError& error) {
            message = error.what();
        }
        EXPECT_EQ(message.empty(), !across);
        EXPECT_EQ(message.find("cross the end of RAM") != std::string::npos, across) << message;
    }
}

TEST(LauncherLaunch, ANativeGuestStartsWithTheRegistersOfTheFile) {
    using namespace igvm;
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::native);
    NativeVpContext context{};
    context.rip       = 0x1234;
    context.r9        = 9;
    context.code      = {.selector = 8, .attributes = 0xA09B, .base = 0, .limit = ~0u};
    context.data      = {.selector = 16, .attributes = 0xC093, .base = 0x7000, .limit = 0xFFFF};
    context.gs_base   = 0x5555'0000'0000;
    context.gdtr_base = 0x9000;
    context.cr0       = 0x8000'0011;
    context.cr4       = 0x20;
    context.efer      = 0x100; // LMA follows from it
    writer.add_page(igvm::test::page_data(mask, 0x1000), igvm::test::hlt_page());
    writer.add_page(igvm::test::page_data(mask, 0x2000), igvm::test::hlt_page());
    writer.add_page(igvm::test::page_data(mask, 0x2000), {}); // the later content stays
    writer.add(
        VpContext{
            .gpa = 0, .compatibility_mask = mask, .file_offset = 0, .vp_index = 0, .reserved = 0},
        igvm::test::page_with(context));
    Launching own(igvm::test::must_finish(writer), {.files = {}});
    own.launch(PlatformType::native, 2);
    EXPECT_EQ(own.model.host_page(0x1000), igvm::test::hlt_page());
    EXPECT_EQ(own.model.host_page(0x2000), Bytes(page_size));
    EXPECT_TRUE(own.expected.digest.empty());
    EXPECT_EQ(own.model.regs(0).rip, 0x1234U);
    EXPECT_EQ(own.model.regs(0).r9, 9U);
    const kvm_sregs& sregs = own.model.sregs(0);
    EXPECT_EQ(sregs.efer, 0x500U);
    EXPECT_EQ(sregs.cs.l, 1);
    EXPECT_EQ(sregs.cs.g, 1);
    EXPECT_EQ(sregs.cs.type, 0xB);
    EXPECT_EQ(sregs.ds.base, 0x7000U);
    EXPECT_EQ(sregs.ss.db, 1);
    EXPECT_EQ(sregs.gs.base, 0x5555'0000'0000U);
    EXPECT_EQ(sregs.gdt.base, 0x9000U);
    EXPECT_EQ(sregs.tr.type, 3) << "as at reset";
    EXPECT_EQ(own.model.regs(1).rip, 0xFFF0U) << "as at reset";
}

TEST(LauncherLaunch, GivesTheCpuidPageKvmsTableAndTakesTheFirmwaresCorrection) {
    for (const bool corrects : {false, true}) {
        Launching own(launch_file(PlatformType::sev_snp, {plain_vmsa(PlatformType::sev_snp)}));
        own.model.corrects_cpuid = corrects;
        own.launch(PlatformType::sev_snp);
        const Bytes page = own.model.private_page(0x5000);
        u32 count        = 0;
        u32 leaf_7[10];
        u32 leaf_d[10];
        std::memcpy(&count, page.data(), sizeof(count));
        EXPECT_EQ(count, 7U);
        std::memcpy(leaf_7, page.data() + 16 + u64{2} * 48, sizeof(leaf_7));
        EXPECT_EQ(leaf_7[0], 7U);
        EXPECT_EQ(leaf_7[9], corrects ? 0U : 16U);
        std::memcpy(leaf_d, page.data() + 16 + u64{3} * 48, sizeof(leaf_d));
        EXPECT_EQ(leaf_d[0], 0xDU);
        EXPECT_EQ(leaf_d[2], 1U) << "XCR0_IN";
        EXPECT_EQ(leaf_d[7], 0x240U) << "EBX";
    }
}

TEST(LauncherLaunch, ACpuidPageHolds64Entries) {
    const Bytes bytes = launch_file(PlatformType::sev_snp, {plain_vmsa(PlatformType::sev_snp)});
    Launching full(bytes);
    full.model.more_cpuid_entries = 64 - 7;
    full.launch(PlatformType::sev_snp);
    EXPECT_EQ(full.model.private_page(0x5000)[0], 64);
    Launching own(bytes);
    own.model.more_cpuid_entries = 64 - 7 + 1;
    try {
        own.launch(PlatformType::sev_snp);
        FAIL();
    } catch (const LaunchError& error) {
        EXPECT_NE(std::string(error.what()).find("found more than 64 entries"), std::string::npos)
            << error.what();
    }
}

// The measurement

namespace {
Session session_of(std::array<u8, 16> tik, u32 policy) {
    Session session{.certificate = Bytes(0x824), .blob = Bytes(128), .tik = tik};
    u8 bytes[4];
    std::memcpy(bytes, &policy, sizeof(bytes));
    std::ranges::copy(igvm::hmac_sha256(tik, bytes), session.blob.begin() + 96);
    return session;
}

constexpr std::array<u8, 16> tik = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
} // namespace

TEST(LauncherLaunch, ChecksTheMeasurementByTheOwnersKey) {
    const Bytes bytes = launch_file(PlatformType::sev_es, {plain_vmsa(PlatformType::sev_es)});
    Launching own(bytes, {.tik = tik});
    own.plan.session = session_of(tik, 5);
    own.launch(PlatformType::sev_es);
    ASSERT_TRUE(own.plan.session && own.guest->measured());
    EXPECT_TRUE(confirms(*own.plan.session, *own.guest->measured(), own.expected.digest));
    auto other = own.expected.digest;
    other[5] ^= 1;
    EXPECT_FALSE(confirms(*own.plan.session, *own.guest->measured(), other));

    Launching without(bytes, {.tik = tik});
    without.launch(PlatformType::sev_es);
    ASSERT_TRUE(without.guest->measured());
    EXPECT_NE(without.guest->measured()->measure, own.guest->measured()->measure)
        << "by another key";
}

TEST(LauncherLaunch, ExplainsAMeasurementThatIsAnother) {
    // A kernel that puts DebugSwap into every VMSA is taken for one that does not.
    x86::Vmsa vmsa       = plain_vmsa(PlatformType::sev_es);
    vmsa.sev_features    = 0x20;
    const Bytes launched = launch_file(PlatformType::sev_es, {vmsa});
    Launching own(launched, {.tik = tik});
    own.plan.session = session_of(tik, 5);
    own.launch(PlatformType::sev_es);
    const Bytes thought  = launch_file(PlatformType::sev_es, {plain_vmsa(PlatformType::sev_es)});
    const auto other     = *igvm::parse(thought);
    const auto predicted = forecast(other, own.plan, igvm::profile_of(igvm::Vmm::kvm_7_1));
    ASSERT_TRUE(own.plan.session && own.guest->measured());
    const Session& session   = *own.plan.session;
    const Measured& measured = *own.guest->measured();
    EXPECT_FALSE(confirms(session, measured, predicted.digest));
    const auto lines = explain_digest(other, predicted, [&](const igvm::Chain& chain) {
        return confirms(session, measured, chain.digest());
    });
    ASSERT_GE(lines.size(), 2U);
    EXPECT_NE(lines[1].find("0x20"), std::string::npos) << lines[1];
    EXPECT_NE(lines[1].find("sev_features"), std::string::npos) << lines[1];
    const auto none = explain_digest(other, predicted, [](const igvm::Chain&) { return false; });
    ASSERT_EQ(none.size(), 1U);
    EXPECT_NE(none[0].find("no explanation found among"), std::string::npos);
}

// Orders

namespace {
enum class Change : u8 { none, left_out, doubled, swapped };

/// Passes calls on, but for one step of the launch, the `number`th: left out, made twice, or made
/// behind the one after it.
class Disordered : public Kernel {
  public:
    Disordered(Kernel& inner, Change change, unsigned number)
        : inner_(inner), change_(change), number_(number) {}

    int ioctl(int descriptor, u64 request, u64 argument) override {
        const bool step = request == KVM_MEMORY_ENCRYPT_OP
                          || request == KVM_MEMORY_ENCRYPT_REG_REGION || request == KVM_ENABLE_CAP
                          || request == abi::set_memory_attributes || request == KVM_CREATE_VCPU;
        if (!step) {
            return inner_.ioctl(descriptor, request, argument);
        }
        const unsigned own     = steps_++;
        const std::string name = request == KVM_MEMORY_ENCRYPT_OP
                                     ? kvm::command_name(command_at(argument).id)
                                     : kvm::call_name(request);
        if (own == number_ && change_ != Change::none) {
            name_     = name;
            Held held = {
                .descriptor = descriptor, .request = request, .bytes = copy_of(request, argument)};
            if (change_ == Change::doubled) {
                const int first = whole(descriptor, request, argument);
                return first < 0 ? first : make(std::move(held));
            }
            if (change_ == Change::swapped) {
                held_ = std::move(held);
            }
            return success(request, argument);
        }
        if (held_) { // the one that it was to precede
            name_ += " and " + name;
        }
        const int answer = whole(descriptor, request, argument);
        if (held_ && answer >= 0) {
            const int late = make(std::move(*held_));
            held_.reset();
            return late < 0 ? late : answer;
        }
        return answer;
    }

    int open(const char* path) override { return inner_.open(path); }

    void close(int descriptor) override { inner_.close(descriptor); }

    u8* map(u64 size, int descriptor) override { return inner_.map(size, descriptor); }

    void unmap(u8* memory, u64 size) override { inner_.unmap(memory, size); }

    void discard(int descriptor, u64 at, u64 size) override {
        inner_.discard(descriptor, at, size);
    }

    std::string read(const char* path) override { return inner_.read(path); }

    [[nodiscard]] unsigned steps() const { return steps_; }

    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    /// What a step's argument points to is gone by the time that it is made late.
    struct Held {
        int descriptor;
        u64 request;
        std::vector<u8> bytes; // the argument, for a command with its data behind it
    };

    static constexpr u64 room = 128; // more than any argument has

    static std::vector<u8> copy_of(u64 request, u64 argument) {
        std::vector<u8> bytes(2 * room);
        if (request == KVM_CREATE_VCPU) {
            std::memcpy(bytes.data(), &argument, sizeof(argument));
            return bytes;
        }
        const u64 size = request == KVM_MEMORY_ENCRYPT_OP ? sizeof(abi::SevCommand)
                         : request == KVM_ENABLE_CAP      ? sizeof(kvm_enable_cap)
                                                          : (request >> 16 & 0xFF);
        std::memcpy(bytes.data(), reinterpret_cast<const void*>(argument), size); // NOLINT
        abi::SevCommand command{};
        std::memcpy(&command, bytes.data(), sizeof(command));
        if (request == KVM_MEMORY_ENCRYPT_OP && command.data != 0) {
            constexpr std::pair<abi::Sev, u64> sizes[] = {
                {abi::Sev::launch_start,       40},
                {abi::Sev::launch_update_data, 16},
                {abi::Sev::launch_measure,     16},
                {abi::Sev::init2,              48},
                {abi::Sev::snp_launch_start,   64},
                {abi::Sev::snp_launch_update,  64},
                {abi::Sev::snp_launch_finish,  88},
            };
            const auto* row =
                std::ranges::find(sizes, command.id, &std::pair<abi::Sev, u64>::first);
            std::memcpy(bytes.data() + room, reinterpret_cast<const void*>(command.data), // NOLINT
                        row->second);
        }
        return bytes;
    }

    int make(Held held) {
        if (held.request == KVM_CREATE_VCPU) {
            u64 number = 0;
            std::memcpy(&number, held.bytes.data(), sizeof(number));
            return inner_.ioctl(held.descriptor, held.request, number);
        }
        const auto argument = reinterpret_cast<u64>(held.bytes.data()); // NOLINT
        if (held.request == KVM_MEMORY_ENCRYPT_OP && command_at(argument).data != 0) {
            command_at(argument).data = argument + room;
        }
        return whole(held.descriptor, held.request, argument);
    }

    /// A command that KVM interrupts is one step all the same.
    int whole(int descriptor, u64 request, u64 argument) {
        int answer = 0;
        do {
            answer = inner_.ioctl(descriptor, request, argument);
        } while (answer == -EAGAIN);
        return answer;
    }

    static abi::SevCommand& command_at(u64 argument) {
        return *reinterpret_cast<abi::SevCommand*>(argument); // NOLINT: the kernel's convention
    }

    static int success(u64 request, u64 argument) {
        if (request == KVM_MEMORY_ENCRYPT_OP) {
            const auto& command = command_at(argument);
            if (command.id == abi::Sev::snp_launch_update) {
                reinterpret_cast<abi::SnpLaunchUpdate*>(command.data)->len = 0; // NOLINT
            }
        }
        return request == KVM_CREATE_VCPU ? 1000 : 0;
    }

    Kernel& inner_;
    Change change_;
    unsigned number_;
    unsigned steps_ = 0;
    std::string name_;
    std::optional<Held> held_;
};

/// What comes of a launch with a step changed: "refused", "other digest", "cannot run" or "same".
std::string outcome_of(PlatformType platform, Disordered& kernel, Launching& own) {
    try {
        own.launch(platform, 1, &kernel);
    } catch (const LaunchError&) {
        return "refused";
    }
    if (own.model.digest() != own.expected.digest) {
        own.guest.reset();
        return "other digest";
    }
    // A guest that has to ask for shared memory, and cannot where the VM has no hypercalls.
    own.model.script.emplace_back([](kvm_run& run) {
        run.exit_reason = KVM_EXIT_INTR;
        return 0;
    });
    const int ran = own.model.ioctl(own.guest->vcpus()[0].descriptor, KVM_RUN, 0);
    own.guest.reset(); // before the kernel that it is on
    const bool can_ask = platform != PlatformType::sev_snp || own.model.has_hypercalls();
    return ran < 0 ? "cannot run" : can_ask ? "same" : "cannot share";
}
} // namespace

TEST(LauncherLaunch, NoOtherOrderOfTheStepsIsAccepted) {
    struct Row {
        PlatformType platform;
        u64 vm_types;
        const char* release;
    };

    // What may be done twice, or the other way round, without harm: KVM takes it.
    const std::set<std::string> harmless = {
        "doubled KVM_ENABLE_CAP",
        "doubled KVM_MEMORY_ENCRYPT_REG_REGION",
        "doubled KVM_SET_MEMORY_ATTRIBUTES",
        "swapped KVM_ENABLE_CAP and SEV_INIT2",
        "swapped KVM_MEMORY_ENCRYPT_REG_REGION and SEV_LAUNCH_START",
        "swapped SEV_SNP_LAUNCH_START and KVM_SET_MEMORY_ATTRIBUTES",
    };
    // Of other pages, so KVM takes it; but what is launched late is no longer where it was.
    const std::string late = "swapped SEV_SNP_LAUNCH_UPDATE and KVM_SET_MEMORY_ATTRIBUTES";
    unsigned tried         = 0;
    for (const Row& row : {
             Row{PlatformType::sev_es,  0,         "6.1.0"},
             Row{PlatformType::sev_es,  all_types, "7.1.0"},
             Row{PlatformType::sev_snp, all_types, "7.1.0"}
    }) {
        const Bytes bytes = launch_file(row.platform, {plain_vmsa(row.platform)});
        const ModelHost host{.release = row.release, .vm_types = row.vm_types};
        unsigned steps = 0;
        {
            Launching own(bytes, host);
            Disordered kernel(own.model, Change::none, 0);
            EXPECT_EQ(outcome_of(row.platform, kernel, own), "same");
            steps = kernel.steps();
        }
        EXPECT_GE(steps, 9U);
        for (const auto& [change, word] : {
                 std::pair{Change::left_out, "left out"},
                 std::pair{Change::doubled,  "doubled" },
                 std::pair{Change::swapped,  "swapped" }
        }) {
            for (unsigned n = 0; n < steps - (change == Change::swapped ? 1 : 0); ++n) {
                Launching own(bytes, host);
                Disordered kernel(own.model, change, n);
                const std::string outcome = outcome_of(row.platform, kernel, own);
                const std::string name    = std::string(word) + " " + kernel.name();
                EXPECT_TRUE(name == late || (outcome == "same") == harmless.contains(name))
                    << row.release << ", step " << n << ", " << name << ": " << outcome;
                ++tried;
            }
        }
    }
    EXPECT_GE(tried, 70U);
    RecordProperty("tried", std::to_string(tried));
}

} // namespace vestibule::launcher::test
