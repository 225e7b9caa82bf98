// SPDX-License-Identifier: BSD-2-Clause-Patent
// The platform's side of an owner's session and secret, by what igvmtool makes for it.
#include "sevsim/transport_keys.h"

#include "igvm/format/reader.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <unistd.h>

namespace vestibule::sevsim {

namespace {

/// A directory with a platform's PDH, gone with the test.
class TransportKeys : public testing::Test {
  protected:
    TransportKeys()
        : directory{std::filesystem::temp_directory_path()
                    / ("transport_keys." + std::to_string(getpid()))} {
        std::filesystem::create_directory(directory);
        const auto written = write_pdh(directory);
        EXPECT_TRUE(written) << written.error();
        std::ifstream file{directory / "pdh.cert", std::ios::binary};
        certificate.assign(std::istreambuf_iterator<char>{file}, {});
    }

    ~TransportKeys() override { std::filesystem::remove_all(directory); }

    [[nodiscard]] igvm::NewSession made_session() const {
        const auto made = igvm::make_session(certificate, policy);
        EXPECT_TRUE(made) << made.error();
        return *made;
    }

    static constexpr u32 policy = 5;
    std::filesystem::path directory;
    std::vector<u8> certificate;
};

} // namespace

TEST_F(TransportKeys, AreTheOwners) {
    const auto made = made_session();
    const auto keys = start_session(directory, made.godh, made.session, policy);
    ASSERT_TRUE(keys) << keys.error();
    EXPECT_EQ(keys->tek, made.keys.tek);
    EXPECT_EQ(keys->tik, made.keys.tik);
}

TEST_F(TransportKeys, EveryByteOfASessionCounts) {
    const auto made = made_session();
    for (std::size_t at = 0; at < sizeof made.session; ++at) {
        igvm::SevSession session = made.session;
        reinterpret_cast<u8*>(&session)[at] ^= 1;
        const auto keys = start_session(directory, made.godh, session, policy);
        // A changed IV changes the keys, by which the policy's MAC is wrong then.
        EXPECT_FALSE(keys) << at;
    }
}

TEST_F(TransportKeys, AnotherPolicyIsRefusedInWords) {
    const auto made = made_session();
    const auto keys = start_session(directory, made.godh, made.session, 1);
    ASSERT_FALSE(keys);
    EXPECT_NE(keys.error().find("POLICY_FAILURE"), std::string::npos) << keys.error();
}

TEST_F(TransportKeys, WrongCertificatesAreRefusedInWords) {
    const auto made = made_session();
    const auto said = [&](auto change) {
        igvm::SevCertificate godh = made.godh;
        change(godh);
        const auto keys = start_session(directory, godh, made.session, policy);
        return keys ? std::string{} : keys.error();
    };
    EXPECT_NE(said([](auto& godh) { godh.usage = 0x1000; }).find("usage 0x1003"),
              std::string::npos);
    EXPECT_NE(said([](auto& godh) { godh.curve = 1; }).find("no point"), std::string::npos);
    EXPECT_NE(said([](auto& godh) { godh.qx[0] ^= 1; }).find("no point"), std::string::npos);
    const auto nowhere = start_session(directory / "nowhere", made.godh, made.session, policy);
    ASSERT_FALSE(nowhere);
    EXPECT_NE(nowhere.error().find("sevsim certs"), std::string::npos) << nowhere.error();
}

TEST_F(TransportKeys, ASecretIsForOneLaunch) {
    const auto made = made_session();
    const std::vector<u8> table(48, 7);
    const igvm::Digest256 measure{1, 2, 3};
    const auto packet = igvm::make_secret(made.keys, table, measure);
    const auto opened = open_secret(made.keys, packet.header, packet.payload, measure);
    ASSERT_TRUE(opened);
    EXPECT_EQ(*opened, table);
    EXPECT_FALSE(open_secret(made.keys, packet.header, packet.payload, igvm::Digest256{1, 2}));
    for (std::size_t at = 0; at < sizeof packet.header; ++at) {
        igvm::SecretHeader header = packet.header;
        reinterpret_cast<u8*>(&header)[at] ^= 1;
        EXPECT_FALSE(open_secret(made.keys, header, packet.payload, measure)) << at;
    }
    for (std::size_t at = 0; at < packet.payload.size(); ++at) {
        std::vector<u8> payload = packet.payload;
        payload[at] ^= 1;
        EXPECT_FALSE(open_secret(made.keys, packet.header, payload, measure)) << at;
    }
}

} // namespace vestibule::sevsim
