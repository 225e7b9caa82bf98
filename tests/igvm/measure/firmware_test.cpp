// SPDX-License-Identifier: BSD-2-Clause-Patent
// Firmware volumes: Debian's OVMF measured for each cloud and compared with a second, independent
// implementation; sev-snp-measure's own test vectors; and volumes that lie about themselves.
#include "tests/igvm/firmware_fixture.h"
#include "tests/igvm/launch_fixture.h"

#include "igvm/measure/cpu_types.h"
#include "igvm/measure/firmware_launch.h"

#include <openssl/sha.h>

#include <array>
#include <fstream>

namespace vestibule::igvm::test {

namespace {
constexpr const char* ovmf_path = "/usr/share/ovmf/OVMF.fd";

Bytes read_ovmf() {
    std::ifstream file(ovmf_path, std::ios::binary);
    EXPECT_TRUE(file) << ovmf_path << ": install the package ovmf";
    return {std::istreambuf_iterator<char>(file), {}};
}

FirmwareLaunchOptions firmware_options(PlatformType platform, Vmm vmm, u32 vcpus) {
    FirmwareLaunchOptions options{.launch = options_for(platform, vmm), .hash_table = {}};
    options.launch.vcpus = vcpus;
    return options;
}

std::string digest_of(std::span<const u8> volume, const FirmwareLaunchOptions& options,
                      const Digest384* after_firmware = nullptr) {
    const auto firmware = parse_firmware(volume);
    EXPECT_TRUE(firmware);
    const auto launch = launch_of(*firmware, options);
    EXPECT_TRUE(launch) << launch.error();
    if (!launch) {
        return "";
    }
    if (after_firmware == nullptr) {
        return to_hex(measure(*launch, 2));
    }
    Chain chain(PlatformType::sev_snp, *after_firmware);
    for (const Step& step : launch->steps) {
        if (step.what != "firmware") {
            chain.add(step);
        }
    }
    return to_hex(chain.digest());
}

// The second implementation: written from the description of the chain and of the save area, with
// offsets as numbers and OpenSSL's one-shot functions, and with nothing of igvm/ in it.
class Reference {
  public:
    explicit Reference(const Bytes& ovmf) : ovmf_(ovmf) {}

    std::string snp(const std::string& cloud, u32 vcpus) {
        for (u64 at = 0; at < ovmf_.size(); at += 4096) {
            link(1, 0x1'0000'0000 - ovmf_.size() + at, &ovmf_[at]);
        }

        // Debian's OVMF.fd of 2022.11 and 2025.02, as dumps of their metadata show them: the
        // second, of 4 MiB, has a page for an SVSM's calling area, which is zero whatever the
        // cloud.
        const bool has_svsm_page = ovmf_.size() > 0x20'0000;

        struct Part {
            u64 gpa;
            u64 size;
            u8 type;
        };

        const u8 ram = cloud == "gce" ? 4 : 3;
        std::vector<Part> parts{
            {0x80'0000, 0x9000, ram},
            {0x80'A000, 0x3000, ram},
            {0x80'D000, 0x1000, 5  }
        };
        if (cloud != "ec2") {
            parts.push_back({0x80'E000, 0x1000, 6});
        }
        if (has_svsm_page) {
            parts.push_back({0x80'F000, 0x1000, 3});
            parts.push_back({0x81'0000, 0x1'0000, ram});
        } else {
            parts.push_back({0x80'F000, 0x1'1000, ram});
        }
        if (cloud == "ec2") {
            parts.push_back({0x80'E000, 0x1000, 6});
        }
        for (const Part& part : parts) {
            for (u64 at = 0; at < part.size; at += 4096) {
                link(part.type, part.gpa + at, nullptr);
            }
        }
        for (u32 i = 0; i < vcpus; ++i) {
            const Bytes page = vmsa(cloud, i == 0 ? 0xFFFF'FFF0 : 0x80'B004, 1);
            link(2, 0xFFFF'FFFF'F000, page.data());
        }
        return to_hex(ld_);
    }

    std::string es(const std::string& cloud, u32 vcpus) {
        Bytes all = ovmf_;
        for (u32 i = 0; i < vcpus; ++i) {
            const Bytes page = vmsa(cloud, i == 0 ? 0xFFFF'FFF0 : 0x80'B004, 0);
            all.insert(all.end(), page.begin(), page.end());
        }
        std::array<u8, 32> digest;
        SHA256(all.data(), all.size(), digest.data());
        return to_hex(digest);
    }

  private:
    static void put(Bytes& page, u64 at, u64 value, unsigned size) {
        std::memcpy(&page[at], &value, size);
    }

    static void segment(Bytes& page, u64 at, u16 selector, u16 attributes, u64 base) {
        put(page, at, selector, 2);
        put(page, at + 2, attributes, 2);
        put(page, at + 4, 0xFFFF, 4);
        put(page, at + 8, base, 8);
    }

    static Bytes vmsa(const std::string& cloud, u32 eip, u64 features) {
        const bool qemu = cloud == "qemu";
        const bool ec2  = cloud == "ec2";
        Bytes page(4096);
        for (const u64 data : {0x000u, 0x030u, 0x040u, 0x050u}) {
            segment(page, data, 0, 0x93, 0);
        }
        segment(page, 0x020, 0, ec2 ? 0x92 : 0x93, 0);
        segment(page, 0x010, 0xF000, ec2 && eip == 0xFFFF'FFF0 ? 0x9A : 0x9B, eip & 0xFFFF'0000);
        segment(page, 0x060, 0, 0, 0);
        segment(page, 0x070, 0, 0x82, 0);
        segment(page, 0x080, 0, 0, 0);
        segment(page, 0x090, 0, ec2 ? 0x83 : 0x8B, 0);
        put(page, 0x0D0, 0x1000, 8);
        put(page, 0x148, 0x40, 8);
        put(page, 0x158, 0x10, 8);
        put(page, 0x160, 0x400, 8);
        put(page, 0x168, 0xFFFF'0FF0, 8);
        put(page, 0x170, 2, 8);
        put(page, 0x178, eip & 0xFFFF, 8);
        put(page, 0x268, cloud == "gce" ? 0x0007'0106 : 0x0007'0406'0007'0406, 8);
        put(page, 0x310, qemu ? 0xA0'0F11 : 0x600, 8);
        put(page, 0x3B0, features, 8);
        put(page, 0x3E8, 1, 8);
        put(page, 0x408, qemu ? 0x1F80 : 0, 4);
        put(page, 0x410, qemu ? 0x37F : 0, 2);
        return page;
    }

    void link(u8 type, u64 gpa, const u8* page) {
        std::array<u8, 112> info{};
        std::memcpy(info.data(), ld_.data(), 48);
        if (page != nullptr) {
            SHA384(page, 4096, &info[48]);
        }
        info[96] = 0x70;
        info[98] = type;
        std::memcpy(&info[104], &gpa, 8);
        SHA384(info.data(), info.size(), ld_.data());
    }

    const Bytes& ovmf_;
    std::array<u8, 48> ld_{};
};

constexpr struct {
    const char* name;
    Vmm vmm;
} clouds[] = {
    {"qemu", Vmm::qemu},
    {"ec2",  Vmm::ec2 },
    {"gce",  Vmm::gce }
};

template <class Expected>
std::string wording(const Expected& result) {
    return result ? "" : std::string(result.error().expected);
}
} // namespace

TEST(IgvmFirmware, DebianOvmfOnSnp) {
    const Bytes ovmf = read_ovmf();
    for (const auto& cloud : clouds) {
        for (const u32 vcpus : {1u, 2u, 64u}) {
            auto options = firmware_options(PlatformType::sev_snp, cloud.vmm, vcpus);
            options.launch.cpu_signature = *find_cpu_signature("EPYC-Milan-v2");
            EXPECT_EQ(digest_of(ovmf, options), Reference(ovmf).snp(cloud.name, vcpus))
                << cloud.name << ", " << vcpus << " vCPUs";
        }
    }
}

TEST(IgvmFirmware, DebianOvmfOnSevEs) {
    const Bytes ovmf = read_ovmf();
    for (const auto& cloud : clouds) {
        for (const u32 vcpus : {1u, 2u, 64u}) {
            auto options                 = firmware_options(PlatformType::sev_es, cloud.vmm, vcpus);
            options.launch.cpu_signature = *find_cpu_signature("EPYC-Milan");
            EXPECT_EQ(digest_of(ovmf, options), Reference(ovmf).es(cloud.name, vcpus))
                << cloud.name << ", " << vcpus << " vCPUs";
        }
    }
}

TEST(IgvmFirmware, PlainSevIsTheVolumeAlone) {
    const Bytes ovmf = read_ovmf();
    EXPECT_EQ(digest_of(ovmf, firmware_options(PlatformType::sev, Vmm::qemu, 4)),
              to_hex(sha256(ovmf)));
}

TEST(IgvmFirmware, DebianOvmfHasNoRoomForHashes) {
    const Bytes ovmf    = read_ovmf();
    const auto firmware = parse_firmware(ovmf);
    ASSERT_TRUE(firmware);
    for (const PlatformType platform : {PlatformType::sev, PlatformType::sev_snp}) {
        auto options       = firmware_options(platform, Vmm::qemu, 1);
        options.hash_table = hash_table({});
        EXPECT_FALSE(launch_of(*firmware, options));
    }
}

// sev-snp-measure 8f2b337, tests/test_guest.py. Its fixture, the last page of an OVMF built for
// direct boot, is known by what it says of itself and by the digest after it; that is all that the
// rest of the chain depends on.
TEST(IgvmFirmware, VectorsOfSevSnpMeasure) {
    const Bytes volume = amd_sev_volume();
    const auto start =
        from_hex("086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c3"
                 "74c2a55c467a50da6d466b74");
    Digest384 after{};
    std::ranges::copy(start, after.begin());

    const struct {
        Vmm vmm;
        u32 vcpus;
        u64 features;
        const char* append; // null: no kernel
        const char* digest;
    } vectors[] = {
        {Vmm::qemu, 1, 0x1,  nullptr,
         "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c"
         "5df63"
         "2d"},
        {Vmm::qemu, 1, 0x1,  "",
         "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa38"
         "52819"
         "b5"},
        {Vmm::qemu, 1, 0x1,  "console=ttyS0 loglevel=7",
         "6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e706363"
         "b4b08"
         "fa"},
        {Vmm::qemu, 1, 0x21, "console=ttyS0 loglevel=7",
         "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d"
         "02289"
         "77"},
        {Vmm::qemu, 4, 0x1,  "",
         "5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e2"
         "3046a"
         "d5"},
        {Vmm::ec2,  1, 0x1,  "",
         "0883bd0eeb716e65b7b977a321c278d1e51b33b5c655fab985443bbcc65c086b9c15e8a0bd8811050dec7e249"
         "64e50"
         "56"},
        {Vmm::gce,  1, 0x1,  "",
         "5da7106cf14cf46b1725ebab123eb9e53bd46a1e9f400cd0c08e7827b04b688ea8b4e403c8404efed4397ea5d"
         "5d072"
         "2e"},
    };

    for (const auto& vector : vectors) {
        auto options = firmware_options(PlatformType::sev_snp, vector.vmm, vector.vcpus);
        options.launch.sev_features = vector.features;
        if (vector.append != nullptr) {
            options.hash_table = hash_table(
                {.kernel = sha256({}), .initrd = sha256({}), .command_line = vector.append});
        }
        EXPECT_EQ(digest_of(volume, options, &after), vector.digest)
            << profile_of(vector.vmm).name << " " << vector.vcpus;
    }
}

/// QEMU from 10.1 on starts APs without FPU state; before that, and after by KVM alone, with it.
/// The hashes are those of whole VMSAs in the notes.
TEST(IgvmFirmware, FpuOfApsByVersionOfQemu) {
    const Bytes volume  = amd_sev_volume();
    const auto firmware = parse_firmware(volume);
    ASSERT_TRUE(firmware);
    const std::string first = "77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b3856"
                              "f55378e9518d0da99452d51c553a";
    const std::string with_fpu = "8413b852790765a310d95867a8b00bfca3a802b5a80830044b45e253fe9622265"
                                 "7e11e53fcf63eb0e0afd722385bf7b4";
    const std::string without_fpu = "379ebbdd0d5a51d33a915dd51d089b88fd6830ebc1433b768ca9ad9acf4c89"
                                    "d736188440fee50b4abdf83f5312acb2ea";
    for (const Vmm vmm :
         {Vmm::qemu, Vmm::qemu_9_1, Vmm::qemu_10_1, Vmm::qemu_10_2, Vmm::qemu_11_1}) {
        const auto launch = launch_of(*firmware, firmware_options(PlatformType::sev_snp, vmm, 3));
        ASSERT_TRUE(launch);
        const auto steps = std::span(launch->steps).last(3);
        const bool old   = vmm == Vmm::qemu || vmm == Vmm::qemu_9_1;
        EXPECT_EQ(to_hex(sha384(steps[0].data)), first) << profile_of(vmm).name;
        for (const Step& ap : steps.last(2)) {
            EXPECT_EQ(to_hex(sha384(ap.data)), old ? with_fpu : without_fpu)
                << profile_of(vmm).name;
        }
    }
}

TEST(IgvmFirmware, HashTableOnSev) {
    const Bytes volume = amd_sev_volume();
    auto options       = firmware_options(PlatformType::sev, Vmm::qemu, 1);
    options.hash_table =
        hash_table({.kernel = sha256(Bytes{1}), .initrd = sha256({}), .command_line = "quiet"});
    Bytes all = volume;
    all.insert(all.end(), options.hash_table->begin(), options.hash_table->end());
    EXPECT_EQ(options.hash_table->size(), 176u);
    EXPECT_EQ(digest_of(volume, options), to_hex(sha256(all)));
}

TEST(IgvmFirmware, Signatures) {
    EXPECT_EQ(find_cpu_signature("EPYC"), 0x80'0F12u);
    EXPECT_EQ(find_cpu_signature("EPYC-v4"), 0x80'0F12u);
    EXPECT_EQ(find_cpu_signature("EPYC-Rome"), 0x83'0F10u);
    EXPECT_EQ(find_cpu_signature("EPYC-Genoa-v1"), 0xA1'0F10u);
    for (const char* wrong :
         {"", "epyc", "EPYC-", "EPYC-v", "EPYC-v0", "EPYC-v10", "EPYC-Milano"}) {
        EXPECT_FALSE(find_cpu_signature(wrong)) << wrong;
    }
}

TEST(IgvmFirmware, AVolumeWithoutATable) {
    const Bytes volume(2 * page_size);
    const auto firmware = parse_firmware(volume);
    ASSERT_TRUE(firmware);
    EXPECT_FALSE(firmware->sections);
    const auto launch = launch_of(*firmware, firmware_options(PlatformType::sev_snp, Vmm::qemu, 1));
    ASSERT_FALSE(launch);
    EXPECT_NE(launch.error().find("no SEV metadata"), std::string::npos);
    EXPECT_FALSE(launch_of(*firmware, firmware_options(PlatformType::sev_es, Vmm::qemu, 2)));
    EXPECT_TRUE(launch_of(*firmware, firmware_options(PlatformType::sev_es, Vmm::qemu, 1)));
}

TEST(IgvmFirmware, SizesThatAreNone) {
    EXPECT_FALSE(parse_firmware({}));
    EXPECT_FALSE(parse_firmware(Bytes(page_size - 1)));
    EXPECT_FALSE(parse_firmware(Bytes(page_size + 1)));
}

TEST(IgvmFirmware, EveryLieIsFound) {
    using namespace amd_sev;

    const struct {
        u64 offset;
        u64 value;
        unsigned size;
        const char* expected;
    } lies[] = {
        {footer_length,   0,             2, "the length of a table that begins in the volume"     },
        {footer_length,   17,            2, "the length of a table that begins in the volume"     },
        {footer_length,   0xFFFF,        2, "the length of a table that begins in the volume"     },
        {footer_length,   18 + 7,        2, "room for a table entry's length and GUID"            },
        {reset_length,    0,             2, "the length of an entry that begins in the table"     },
        {reset_length,    17,            2, "the length of an entry that begins in the table"     },
        {reset_length,    0xFFFF,        2, "the length of an entry that begins in the table"     },
        {reset_length,    20,            2, "a longer entry of this kind"                         },
        {metadata_offset, 0,             4, "an offset from the end to SEV metadata in the volume"},
        {metadata_offset, 15,            4, "an offset from the end to SEV metadata in the volume"},
        {metadata_offset, page_size + 1, 4, "an offset from the end to SEV metadata in the volume"},
        {metadata_offset, 0xFFFF'FFFF,   4, "an offset from the end to SEV metadata in the volume"},
        {metadata,        0x4653'5341,   4, "the signature \"ASEV\""                              },
        {metadata + 4,    0,             4, "the size of the SEV metadata with its sections"      },
        {metadata + 4,    0xFFFF'FFFF,   4, "the size of the SEV metadata with its sections"      },
        {metadata + 8,    2,             4, "SEV metadata version 1"                              },
        {metadata + 12,   0xFFFF'FFFF,   4, "as many sections as the volume has room for"         },
        {metadata + 12,   8,             4, "the size of the SEV metadata with its sections"      },
        {metadata + 16,   0x80'0001,     4, "a page-aligned address"                              },
        {metadata + 20,   0x9001,        4, "whole pages that end below 4 GiB"                    },
        {metadata + 20,   0,             4, "whole pages that end below 4 GiB"                    },
        {metadata + 20,   0xFFFF'F000,   4, "whole pages that end below 4 GiB"                    },
        {metadata + 24,   7,             4, "a section type of 1 to 4 or 0x10"                    },
    };

    ASSERT_TRUE(parse_firmware(amd_sev_volume()));
    for (const auto& lie : lies) {
        Bytes volume = amd_sev_volume();
        std::memcpy(&volume[lie.offset], &lie.value, lie.size);
        const auto firmware = parse_firmware(volume);
        EXPECT_EQ(wording(firmware), lie.expected) << lie.offset << " " << lie.value;
    }
}

TEST(IgvmFirmware, HashTableMustLieInItsPage) {
    using namespace amd_sev;
    for (const u64 gpa : {u64{0}, u64{0x80'F000}, u64{0x81'0F51}, u64{0xFFFF'FFFF}}) {
        Bytes volume = amd_sev_volume();
        std::memcpy(&volume[hash_area], &gpa, 4);
        const auto firmware = parse_firmware(volume);
        ASSERT_TRUE(firmware);
        auto options       = firmware_options(PlatformType::sev_snp, Vmm::qemu, 1);
        options.hash_table = hash_table({});
        EXPECT_FALSE(launch_of(*firmware, options)) << gpa;
    }
}

// Damage anywhere in table and metadata: an answer, and under the sanitizers no other complaint.
TEST(IgvmFirmware, DamageIsAnswered) {
    const Bytes good = amd_sev_volume();
    for (u64 at = page_size - 0x400; at < page_size; ++at) {
        for (const u8 value : {u8{0}, u8{1}, u8{0x7F}, u8{0x80}, u8{0xFF}}) {
            Bytes volume        = good;
            volume[at]          = value;
            const auto firmware = parse_firmware(volume);
            if (!firmware) {
                EXPECT_LT(firmware.error().offset, volume.size());
                continue;
            }
            auto options       = firmware_options(PlatformType::sev_snp, Vmm::ec2, 2);
            options.hash_table = hash_table({});
            (void)launch_of(*firmware, options);
        }
    }
}

} // namespace vestibule::igvm::test
