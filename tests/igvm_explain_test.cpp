// explain must name every cause it knows: each is planted into a launch, alone and in pairs, and
// has to come back by name. The planted digest is computed by measure(), which shares nothing with
// the search but the chain.
#include "igvm_firmware_fixture.h"
#include "igvm_launch_fixture.h"

#include "igvm/explain.h"
#include "igvm/firmware_launch.h"
#include "x86/sev.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>

namespace vestibule::igvm::test {

namespace {
/// Something to launch, and how.
struct Base {
    std::shared_ptr<const Bytes> bytes;
    Plan plan;
    std::function<std::expected<Launch, std::string>(const Plan&)> launch;
};

using Names = std::set<std::string>;

/// With something in it for each cause that an IGVM file can meet.
Bytes varied_file(PlatformType platform, const x86::Vmsa& vmsa) {
    Writer writer;
    const bool snp = platform == PlatformType::sev_snp;
    const u32 mask = writer.add_platform(platform);
    writer.add(ParameterArea{
        .number_of_bytes = 3 * page_size, .parameter_area_index = 0, .file_offset = 0});
    Bytes page = hlt_page();
    for (u64 i = 0; i < 10; ++i) {
        page[1] = static_cast<u8>(i);
        writer.add_page(page_data(mask, 0x20000 + i * page_size), page);
    }
    writer.add(
        ParameterInsert{.gpa = 0x80000, .compatibility_mask = mask, .parameter_area_index = 0});
    writer.add_page(page_data(mask, 0x10000), {});
    writer.add_page(page_data(mask, 0x11000), {});
    page[2] = 1;
    writer.add_page(page_data(mask, 0x12000, PageDataType::normal, PageData::unmeasured), page);
    writer.add_page(page_data(mask, 0x13000, PageDataType::normal, PageData::shared), page);
    if (snp) {
        writer.add_page(page_data(mask, 0x14000, PageDataType::secrets), {});
        writer.add_page(page_data(mask, 0x15000, PageDataType::cpuid_data), {});
    }
    add_vmsa(writer, mask, vmsa);
    writer.add_page(page_data(mask, 0x40000), page);
    return must_finish(writer);
}

Base igvm_base(PlatformType platform, Vmm vmm, const x86::Vmsa& vmsa, std::optional<u32> vcpus) {
    Base base{.bytes  = std::make_shared<const Bytes>(varied_file(platform, vmsa)),
              .plan   = {},
              .launch = {}};
    base.plan.options       = options_for(platform, vmm);
    base.plan.options.vcpus = vcpus;
    base.launch             = [bytes = base.bytes](const Plan& plan) {
        return launch_of(*parse(*bytes), plan.options);
    };
    return base;
}

Base firmware_base(PlatformType platform, Vmm vmm, u32 vcpus, const std::string& line) {
    Base base{.bytes = std::make_shared<const Bytes>(amd_sev_volume()), .plan = {}, .launch = {}};
    base.plan.options       = options_for(platform, vmm);
    base.plan.options.vcpus = vcpus;
    base.plan.boot          = DirectBoot{
                 .kernel = {1, 2, 3},
                   .initrd = {4, 5},
                   .command_line = line
    };
    base.launch = [bytes = base.bytes](const Plan& plan) {
        return launch_of(
            *parse_firmware(*bytes),
            {.launch     = plan.options,
             .hash_table = plan.boot ? std::optional(hash_table(*plan.boot)) : std::nullopt});
    };
    return base;
}

/// All that causes set to one value, at another.
x86::Vmsa odd_vmsa(u64 features) {
    x86::Vmsa vmsa  = qemu_vmsa(features);
    vmsa.g_pat      = 0x0606'0606'0606'0606;
    vmsa.dr6        = 0xFFFF'0FF1;
    vmsa.dr7        = 0x401;
    vmsa.mxcsr      = 0x1FA0;
    vmsa.x87_fcw    = 0x40;
    vmsa.tr.base    = 0x3000;
    vmsa.ldtr.base  = 0x4000;
    vmsa.gdtr.limit = vmsa.idtr.limit = 0x7F;
    vmsa.rdx                          = 0x1234;
    vmsa.xcr0                         = 3;
    vmsa.cr3                          = 0x20'0000;
    return vmsa;
}

std::vector<Base> bases() {
    constexpr auto snp = PlatformType::sev_snp;
    constexpr auto es  = PlatformType::sev_es;
    std::vector<Base> all;
    all.push_back(igvm_base(snp, Vmm::qemu, qemu_vmsa(1), 2));
    all.push_back(igvm_base(snp, Vmm::kvm_6_12, odd_vmsa(1), 3));
    all.push_back(igvm_base(snp, Vmm::igvm, odd_vmsa(1), {}));
    all.push_back(igvm_base(snp, Vmm::cloud_hypervisor, qemu_vmsa(1), {}));
    all.push_back(igvm_base(es, Vmm::kvm_6_12, odd_vmsa(0), 2));
    all.push_back(igvm_base(es, Vmm::qemu, qemu_vmsa(0), 2));
    all.push_back(firmware_base(snp, Vmm::qemu, 2, "quiet "));
    all.push_back(firmware_base(es, Vmm::gce, 3, "console=ttyS0"));
    all.push_back(firmware_base(snp, Vmm::gce, 2, ""));
    all.back().plan.options.cpu_signature = 0xA1'0F10;
    all.push_back(firmware_base(snp, Vmm::qemu_11_1, 2, "quiet"));
    all.back().plan.options.cpu_signature = 0xA1'0F10;
    return all;
}

/// The digest of a launch with causes planted; nothing where they change nothing or cannot be.
std::optional<Bytes> planted(const Base& base, const std::vector<const Cause*>& causes) {
    const auto digest = [&](const std::vector<const Cause*>& these) -> std::optional<Bytes> {
        Plan plan = base.plan;
        for (const Cause* cause : these) {
            if (cause->plan) {
                cause->plan(plan);
            }
        }
        auto launch = base.launch(plan);
        if (!launch) {
            return std::nullopt;
        }
        for (const Cause* cause : these) {
            if (cause->steps) {
                cause->steps(launch->steps);
            }
        }
        for (Step& step : launch->steps) {
            if (step.type != PageType::vmsa) {
                continue;
            }
            auto vmsa = load<x86::Vmsa>(step.data);
            for (const Cause* cause : these) {
                if (cause->vmsa && (step.vcpu == 0 ? cause->first_vcpu : cause->others)) {
                    cause->vmsa(vmsa);
                }
            }
            const auto bytes = bytes_of(vmsa);
            step.data        = launch->owned.emplace_back(bytes.begin(), bytes.end());
        }
        return measure(*launch, 1);
    };
    const auto all = digest(causes);
    for (u64 left_out = 0; left_out < causes.size(); ++left_out) {
        auto fewer = causes;
        fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(left_out));
        if (!all || digest(fewer) == all) {
            return std::nullopt;
        }
    }
    return all;
}

Answer ask(const Base& base, const Bytes& digest, unsigned most_causes) {
    auto answer = explain({.plan        = base.plan,
                           .launch      = base.launch,
                           .file        = *base.bytes,
                           .matches     = [&](const Chain& chain) { return chain.equals(digest); },
                           .most_causes = most_causes,
                           .threads     = 2,
                           .progress    = {}});
    EXPECT_TRUE(answer);
    return std::move(*answer);
}

Names names_of(const std::vector<const Cause*>& causes) {
    Names names;
    for (const Cause* cause : causes) {
        names.insert(cause->name);
    }
    return names;
}

std::string text(const Answer& answer) {
    std::string all;
    for (const Explanation& explanation : answer.explanations) {
        for (const std::string& line : explanation.words) {
            all += line + "\n";
        }
        all += "--\n";
    }
    return all;
}

bool names(const Answer& answer, const Names& wanted) {
    return std::ranges::any_of(answer.explanations, [&](const Explanation& explanation) {
        return names_of(explanation.causes) == wanted;
    });
}

bool is_long() { return std::getenv("VESTIBULE_LONG") != nullptr; }
} // namespace

TEST(IgvmExplain, EveryCauseIsFound) {
    Names never;
    for (const Base& base : bases()) {
        for (const Cause& cause : causes_for(base.plan)) {
            never.insert(cause.name);
        }
    }
    const u64 all = never.size();
    for (const Base& base : bases()) {
        const auto causes = causes_for(base.plan);
        for (const Cause& cause : causes) {
            if (!never.contains(cause.name)) {
                continue;
            }
            const auto digest = planted(base, {&cause});
            if (!digest) {
                continue;
            }
            const Answer answer = ask(base, *digest, 1);
            EXPECT_TRUE(names(answer, {cause.name}))
                << cause.name << " under " << base.plan.options.vmm.name << ", found:\n"
                << text(answer);
            never.erase(cause.name);
        }
    }
    for (const std::string& name : never) {
        ADD_FAILURE() << "never planted: " << name;
    }
    EXPECT_GT(all, 150u);
}

TEST(IgvmExplain, RandomPairsAreFound) {
    const int wanted = is_long() ? 200 : 12;
    std::mt19937 random(20240705); // NOLINT(bugprone-random-generator-seed)
    const auto all = bases();
    int exact      = 0;
    for (int pair = 0; pair < wanted;) {
        const Base& base    = all[random() % all.size()];
        const auto causes   = causes_for(base.plan);
        const Cause& first  = causes[random() % causes.size()];
        const Cause& second = causes[random() % causes.size()];
        if (first.group == second.group) {
            continue;
        }
        // In the table's order: a page appended before all zero pages change their type changes
        // too.
        const auto digest = planted(base, {std::min(&first, &second), std::max(&first, &second)});
        if (!digest) {
            continue;
        }
        ++pair;
        const Answer answer = ask(base, *digest, 2);
        ASSERT_FALSE(answer.explanations.empty()) << first.name << " with " << second.name;
        // One other cause may do the same as these two; whatever is said has to be true.
        if (answer.explanations.front().causes.size() == 2) {
            EXPECT_TRUE(names(answer, {first.name, second.name}))
                << first.name << " with " << second.name << ", found:\n"
                << text(answer);
            ++exact;
        } else {
            EXPECT_EQ(planted(base, answer.explanations.front().causes), digest) << text(answer);
        }
    }
    EXPECT_GE(exact * 10, wanted * 9);
}

TEST(IgvmExplain, ATripleIsFound) {
    const Base base   = bases()[0];
    const auto causes = causes_for(base.plan);
    std::vector<const Cause*> chosen;
    for (const Cause& cause : causes) {
        if (cause.name == "zero pages as ZERO" || cause.name == "SEV_FEATURES bit 5 (DebugSwap)"
            || cause.name == "no FPU state") {
            chosen.push_back(&cause);
        }
    }
    const auto digest = planted(base, chosen);
    ASSERT_TRUE(digest);
    const Answer answer = ask(base, *digest, 3);
    EXPECT_TRUE(names(answer, names_of(chosen))) << text(answer);
    EXPECT_TRUE(ask(base, *digest, 2).explanations.empty());
}

TEST(IgvmExplain, SaysFieldAndBothValues) {
    const Base base    = bases()[0];
    const auto causes  = causes_for(base.plan);
    const auto explain = [&](const std::string& name) {
        const auto cause = std::ranges::find(causes, name, &Cause::name);
        EXPECT_NE(cause, causes.end()) << name;
        return text(ask(base, *planted(base, {&*cause}), 1));
    };
    EXPECT_NE(explain("SEV_FEATURES bit 5 (DebugSwap)")
                  .find("sev_features at 0x3b0: 0x1 here, 0x21 there; Linux 6.6"),
              std::string::npos);
    EXPECT_NE(explain("4 vCPUs").find("2 here, 4 there"), std::string::npos);
    EXPECT_NE(explain("zero pages as ZERO").find("of type 1 at 0x10000"), std::string::npos);
}

TEST(IgvmExplain, TheRightDigestNeedsNoCause) {
    const Base base     = bases()[0];
    const auto launch   = base.launch(base.plan);
    const Answer answer = ask(base, measure(*launch, 1), 3);
    ASSERT_EQ(answer.explanations.size(), 1u);
    EXPECT_TRUE(answer.explanations[0].causes.empty());
    EXPECT_EQ(answer.tried, 1u);
}

TEST(IgvmExplain, NothingFits) {
    for (const Base& base : {bases()[0], bases()[5]}) {
        const Answer answer = ask(base, Bytes(sizeof(Digest384)), 2);
        EXPECT_TRUE(answer.explanations.empty());
        EXPECT_GT(answer.tried, 1000u);
    }
}

} // namespace vestibule::igvm::test
