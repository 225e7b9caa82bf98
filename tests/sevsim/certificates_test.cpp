// SPDX-License-Identifier: BSD-2-Clause-Patent
// The secure processor's certificates: a directory of them, what is wrong with one, and the table
// that a guest is given.
#include "sevsim/certificates.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace vestibule::sevsim {

namespace {

const ChipFacts vcek{.kind = SigningKey::vcek, .chip_id = chip_id(), .tcb = chip_tcb};
const ChipFacts vlek{.kind = SigningKey::vlek, .chip_id = chip_id(), .tcb = chip_tcb};

/// Removed at the end.
class Folder {
  public:
    Folder() { std::filesystem::remove_all(path_); }

    ~Folder() { std::filesystem::remove_all(path_); }

    Folder(const Folder&)            = delete;
    Folder& operator=(const Folder&) = delete;

    std::string path() const { return path_.string(); }

    std::string operator/(const char* name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_ =
        std::filesystem::temp_directory_path() / ("sevsim_root_" + std::to_string(getpid()));
};

void write(const std::string& path, const char* text) { std::ofstream{path} << text; }

} // namespace

TEST(Certificates, MakesAChainOfItsOwn) {
    const auto one   = make_chain(vcek);
    const auto other = make_chain(vcek);
    ASSERT_TRUE(one && other);
    EXPECT_NE(one->key, other->key);
    EXPECT_NE(one->leaf, other->leaf);
}

TEST(Certificates, PutsThemIntoATable) {
    const auto chain = make_chain(vlek);
    ASSERT_TRUE(chain);
    const std::vector<u8> table = certificate_table(*chain, SigningKey::vlek);
    ASSERT_EQ(table.size(), 4 * 24 + chain->leaf.size() + chain->ask.size() + chain->ark.size());
    const std::vector<u8>* const wanted[] = {&chain->leaf, &chain->ask, &chain->ark};
    for (unsigned row = 0; row < 3; ++row) {
        u32 where[2];
        std::memcpy(where, table.data() + row * 24 + 16, sizeof where);
        ASSERT_EQ(where[1], wanted[row]->size());
        EXPECT_TRUE(std::equal(wanted[row]->begin(), wanted[row]->end(), table.begin() + where[0]));
    }
    EXPECT_EQ(table[0], 0xA8); // the VLEK's GUID
    EXPECT_TRUE(std::all_of(table.begin() + 72, table.begin() + 96, [](u8 b) { return b == 0; }));
}

TEST(Certificates, ReadsTheRootThatItHasWritten) {
    const Folder folder;
    ASSERT_TRUE(write_root(folder.path()));
    const auto first  = read_root(folder.path(), vcek);
    const auto second = read_root(folder.path(), vcek);
    const auto other  = read_root(folder.path(), vlek);
    ASSERT_TRUE(first && second && other);
    EXPECT_EQ(first->key, second->key);
    EXPECT_EQ(first->ark, other->ark);
    EXPECT_NE(first->key, other->key);

    // Nothing is overwritten.
    const auto again = write_root(folder.path());
    ASSERT_FALSE(again);
    EXPECT_NE(again.error().find("ark.key: "), std::string::npos) << again.error();

    // The other's key beside a certificate, the other's certificate, and no certificate at all.
    std::filesystem::copy_file(folder / "vlek.key", folder / "vcek.key",
                               std::filesystem::copy_options::overwrite_existing);
    const auto key = read_root(folder.path(), vcek);
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().find("another key than the certificate's"), std::string::npos);
    std::filesystem::copy_file(folder / "ark.pem", folder / "ask.pem",
                               std::filesystem::copy_options::overwrite_existing);
    const auto chain = read_root(folder.path(), vcek);
    ASSERT_FALSE(chain);
    EXPECT_NE(chain.error().find("no chain"), std::string::npos) << chain.error();
    write(folder / "ask.pem", "-----BEGIN CERTIFICATE-----\n");
    const auto text = read_root(folder.path(), vcek);
    ASSERT_FALSE(text);
    EXPECT_NE(text.error().find("ask.pem: expected a certificate in PEM"), std::string::npos);
}

TEST(Certificates, SaysWhereThereIsNoRoot) {
    const auto chain = read_root("/no/such/directory", vcek);
    ASSERT_FALSE(chain);
    EXPECT_NE(chain.error().find("/no/such/directory/ark.pem: No such file"), std::string::npos);
    const auto written = write_root("/dev/null/root");
    ASSERT_FALSE(written);
    EXPECT_TRUE(written.error().starts_with("/dev/null/root: "));
}

} // namespace vestibule::sevsim
