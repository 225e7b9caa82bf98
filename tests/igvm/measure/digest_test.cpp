// SPDX-License-Identifier: BSD-2-Clause-Patent
// Launch digests against values computed elsewhere: by sev-snp-measure and by hand with Python's
// hashlib, as the project's notes on launch digests and VMSAs list them.
#include "tests/igvm/launch_fixture.h"

#include "igvm/measure/lanes.h"

namespace vestibule::igvm::test {

namespace {
Step step(PageType type, u64 gpa, std::span<const u8> data = {}) {
    return {.type = type, .gpa = gpa, .data = data, .what = ""};
}

std::string hex(const Chain& chain) { return to_hex(chain.digest()); }

std::string page_hash(const x86::Vmsa& vmsa) { return to_hex(sha384(bytes_of(vmsa))); }
} // namespace

TEST(IgvmDigest, HashesOfPages) {
    EXPECT_EQ(
        to_hex(contents_of(step(PageType::normal, 0))),
        "c0e59a3e3ffbd3b5c75428fb36432facabc745944296ff515f737c4fef4efc64586809f7a16f56354a1eaecf"
        "2aa8d774");
    EXPECT_EQ(
        to_hex(contents_of(step(PageType::normal, 0, hlt_page()))),
        "250e501941da22bec56dbb42559f44556b3db5cc76b81b4c16a4813038613df24f8cdd66cad050ae67154654"
        "1bd2fce5");
    EXPECT_EQ(contents_of(step(PageType::secrets, 0)), Digest384{});
}

TEST(IgvmDigest, FirstLinks) {
    Chain zeros(PlatformType::sev_snp);
    zeros.add(step(PageType::normal, 0x1000));
    EXPECT_EQ(hex(zeros),
              "e6e4d78904d9d6b33c0cbfd121998fd2d11744dae606b3aee35e2a45d6869b60b35c63928a92"
              "32bef72d6be386f48ec6");
    Chain hlt(PlatformType::sev_snp);
    hlt.add(step(PageType::normal, 0x1000, hlt_page()));
    EXPECT_EQ(hex(hlt),
              "5746b5d6d5e1375747977b4c71f352c5e8d0aac20dfc481ce8c6ffb038d474393746e9248ff2ef"
              "1fb9bd806a86cd093b");
    Chain vcpu(PlatformType::sev_snp);
    const x86::Vmsa vmsa = qemu_vmsa(1);
    vcpu.add(step(PageType::vmsa, x86::vmsa_gpa, bytes_of(vmsa)));
    EXPECT_EQ(hex(vcpu),
              "108432463da76821f35c5daf2f7aecc0ce9ce88652de5f70f638c7a0345c11f2f80025654b80e"
              "7be10a9fe0ee1b75f33");
}

TEST(IgvmDigest, ChainOverEveryPageType) {
    const x86::Vmsa vmsa = qemu_vmsa(1);

    const struct {
        Step step;
        const char* digest;
    } links[] = {
        {step(PageType::zero, 0x1000), "4bd4147976a1e7554c1c778a781affc1c672f1965a727ba16084989b7e3"
                                       "56044a28bbe585a2f75dac9356fa5ab78f0"
                                       "61"},
        {step(PageType::secrets, 0x2000), "12ba1893327fd2a527e56a83f2e80324891df3c33b0252741e867796"
                                          "f3b4f17349bebb269898818a9d4574ac664d63"
                                          "35"},
        {step(PageType::cpuid, 0x3000), "2ca4a73b11dafe07f5bbedca4d7e71f5df4337469863fe6a46a7704acc"
                                        "cfacccb785feccb8dc4237cda25e8b820de9"
                                        "8a"},
        {step(PageType::unmeasured, 0x4000), "11bcf7eb00fca3a12fd27ae75ff4e231ec9dfce3a22ddbd6e5018"
                                             "67eb976d685f5e8eeac3fb107d75fcda68f7a5fb9"
                                             "8b"},
        {step(PageType::vmsa, x86::vmsa_gpa, bytes_of(vmsa)),
         "601935b4756191bfc012326cc61346da7737d3f0fff1dc30da6da1382d8e4beaf8d8adf35bdf8f04641a787cb"
         "f5101"
         "40"},
    };

    Chain chain(PlatformType::sev_snp);
    for (const auto& link : links) {
        chain.add(link.step);
        EXPECT_EQ(hex(chain), link.digest) << static_cast<int>(link.step.type);
    }
}

TEST(IgvmDigest, ResetVmsas) {
    const auto of = [](const ResetState& state, u64 features, bool has_fpu = true,
                       u32 start = reset_vector) {
        return page_hash(reset_vmsa(state, {.start_address = start,
                                            .cpu_signature = epyc,
                                            .sev_features  = features,
                                            .has_fpu       = has_fpu}));
    };
    EXPECT_EQ(of(qemu_reset, 1),
              "77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b3856f5"
              "5378e9518d0da99452d51c553a");
    EXPECT_EQ(of(qemu_reset, 0),
              "69c94ea0886388820b7d37645642a46a4751bf5209f779d6a05337d11698a66cb6021b"
              "9aeacaad1bb92475944344f6f8");
    EXPECT_EQ(of(qemu_reset, 0x21),
              "ae79efa6efbe1594a2717dfd42af495a0e4ed37b00e529a5fdf349bea04c351396"
              "2ffb0c74cf65b0d9a1857271833d6e");
    EXPECT_EQ(of(ec2_reset, 1),
              "d08442e8bcdb6a5dcd7f22e4f7fd6979beffb9f0bb54a9d1977407fe84f482abf23c1ba"
              "ae6ce95a6a9e7a94c3c51f412");
    EXPECT_EQ(of(gce_reset, 1),
              "f9e03177dad7f4819ee193af7cfb70507d8a923ab513412e908bc73460a9dfdaa54215d"
              "58952816118ffb2ec281e7fd2");
    EXPECT_EQ(
        of(qemu_reset, 1, true, 0x80'B004),
        "8413b852790765a310d95867a8b00bfca3a802b5a80830044b45e253fe96222657e11e53fcf63eb0e0afd722"
        "385bf7b4");
    EXPECT_EQ(
        of(qemu_reset, 1, false, 0x80'B004),
        "379ebbdd0d5a51d33a915dd51d089b88fd6830ebc1433b768ca9ad9acf4c89d736188440fee50b4abdf83f53"
        "12acb2ea");
    EXPECT_EQ(of(qemu_reset, 0, false),
              "d30648785e59677d1288575fa1edcf89ded0ff49a8283c26261466765e661ad"
              "f1f4bb4c05439ec429e5a33e47583bfee");
}

TEST(IgvmDigest, LegacySevEsHasNoFpu) {
    x86::Vmsa vmsa     = qemu_vmsa(0);
    const auto changes = pass_through(vmsa, Vmm::qemu_11_1, PlatformType::sev_es);
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].offset, offsetof(x86::Vmsa, mxcsr));
    EXPECT_EQ(to_hex(sha256(bytes_of(vmsa))),
              "30a76bd1aa5adf81f02832d38c21e31b073cf0663dd2337455db2a3c210666af");
    x86::Vmsa modern = qemu_vmsa(0);
    EXPECT_TRUE(pass_through(modern, Vmm::qemu, PlatformType::sev_es).empty());
    EXPECT_TRUE(pass_through(modern, Vmm::kvm_6_12, PlatformType::sev_es).empty());
}

TEST(IgvmDigest, SevEsIsOneHash) {
    const x86::Vmsa vmsa = qemu_vmsa(0);
    const Bytes page     = hlt_page();
    Chain with_zeros(PlatformType::sev_es);
    with_zeros.add(step(PageType::normal, 0x1000, page));
    with_zeros.add(step(PageType::normal, 0x2000));
    with_zeros.add(step(PageType::unmeasured, 0x3000));
    with_zeros.add(step(PageType::vmsa, x86::vmsa_gpa, bytes_of(vmsa)));
    EXPECT_EQ(hex(with_zeros), "55dece3fb95741a0a038f06d9cb71e298d18f390df9b1aeef30d6b88953488cc");
    Chain without(PlatformType::sev_es);
    without.add(step(PageType::normal, 0x1000, page));
    without.add(step(PageType::vmsa, x86::vmsa_gpa, bytes_of(vmsa)));
    EXPECT_EQ(hex(without), "47ee5eb591dbbccc6a2209004b85c69e34233b168c07650717d39a5381b6b4a1");
}

TEST(IgvmDigest, Measure) {
    MeasureContext context{
        .tik = {}, .mnonce = {}, .api_major = 1, .api_minor = 0x37, .build = 0x10, .policy = 5};
    for (u8 i = 0; i < 16; ++i) {
        context.tik[i]    = i;
        context.mnonce[i] = static_cast<u8>(0xF0 + i);
    }
    const Bytes abc = {'a', 'b', 'c'};
    EXPECT_EQ(to_hex(launch_measure(context, sha256(abc))),
              "2feb8d99fd73004cfae9ff44e3652f5d16b9a78d9539b9bc3f3af056c92d48e6");
    // With all four bytes of the policy, by Python's hmac.
    context.policy = 0x3701'8005;
    EXPECT_EQ(to_hex(launch_measure(context, sha256(abc))),
              "cf137f09b06e3d125c924e0fdc307b57cdfcd889ddd5f4ad26c8b635a8e0747d");
}

TEST(IgvmDigest, WorkedFile) {
    const Bytes file = worked_file();
    EXPECT_EQ(file.size(), 8424u);
    EXPECT_EQ(to_hex(sha256(file)),
              "c4841248f749bb1d0a9fbdff6bcf14c3eedd8f059c0f6c19d5c466e945fa09cb");
    const std::string as_normal =
        "39273dad983044da8fe11dbce0cb7cd5f9eebe8c2ca24a544f63bc531a9bd156f002"
        "0398801a39d813f28bf651c3d0cf";
    const std::string as_zero =
        "792e9fd7fa55f406813178ff29050a733ecab457684e556488a35900bc73545813ea77c"
        "28d7322c4c0a0a57383403bea";
    for (const Vmm vmm : {Vmm::igvm, Vmm::qemu, Vmm::qemu_10_1, Vmm::qemu_10_2, Vmm::qemu_11_1,
                          Vmm::kvm_6_11, Vmm::kvm_6_12, Vmm::kvm_6_18, Vmm::kvm_7_1, Vmm::kvm_7_2,
                          Vmm::openvmm, Vmm::cloud_hypervisor_mshv}) {
        EXPECT_EQ(digest_of(file, options_for(PlatformType::sev_snp, vmm)), as_normal)
            << profile_of(vmm).name;
    }
    EXPECT_EQ(digest_of(file, options_for(PlatformType::sev_snp, Vmm::cloud_hypervisor)), as_zero);
}

/// Every length about SHA-384's block and a page, in every width there is, in batches that leave
/// lanes empty.
TEST(IgvmDigest, LanesHashWhatOpensslDoes) {
    Bytes bytes(3 * page_size);
    for (u64 i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<u8>(i * 131 + i / 251);
    }
    for (const LaneWidth width : {LaneWidth::none, LaneWidth::avx2, LaneWidth::avx512}) {
        Lanes lanes(width);
        for (const u64 count : {1u, 3u, 7u, 8u, 9u, 64u}) {
            std::vector<std::span<const u8>> messages;
            for (u64 i = 0; i < count; ++i) {
                constexpr u64 sizes[] = {0, 1, 111, 112, 113, 127, 128, 129, 4095, 4096, 4097};
                messages.push_back(std::span(bytes).subspan(i, sizes[i % std::size(sizes)]));
            }
            std::vector<Digest384> digests(count);
            for (u64 i = 0; i < count; ++i) {
                lanes.add(messages[i], digests[i]);
            }
            lanes.finish();
            for (u64 i = 0; i < count; ++i) {
                EXPECT_EQ(digests[i], sha384(messages[i])) << name_of(width) << " " << i;
            }
        }
    }
}

TEST(IgvmDigest, ThreadsMakeNoDifference) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    for (u32 i = 0; i < 1000; ++i) {
        Bytes page(page_size);
        std::memcpy(page.data(), &i, sizeof(i));
        writer.add_page(page_data(mask, (i + 1) * page_size), page);
    }
    const Bytes file  = must_finish(writer);
    const auto parsed = parse(file);
    const auto launch = launch_of(*parsed, options_for(PlatformType::sev_snp, Vmm::igvm));
    ASSERT_TRUE(launch);
    Chain chain(PlatformType::sev_snp);
    for (const Step& one : launch->steps) {
        chain.add(one);
    }
    for (const unsigned threads : {1u, 2u, 3u, 16u}) {
        EXPECT_EQ(measure(*launch, threads), chain.digest()) << threads;
    }
}

} // namespace vestibule::igvm::test
