// SPDX-License-Identifier: BSD-2-Clause-Patent
// A key of a test's own for ID blocks.
#pragma once

#include "igvm/measure/ecdsa.h"

#include <gtest/gtest.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdio>
#include <filesystem>

namespace vestibule::igvm::test {

/// A fresh key in a file, since that is how igvmtool gets one.
class KeyFile {
  public:
    explicit KeyFile(const char* curve = "P-384") {
        std::string name     = testing::TempDir() + "igvm_key.XXXXXX";
        const int descriptor = mkstemp(name.data());
        path_                = name;
        std::FILE* file      = fdopen(descriptor, "w");
        EVP_PKEY* key        = EVP_EC_gen(curve);
        PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
        EVP_PKEY_free(key);
        std::fclose(file);
    }

    KeyFile(const KeyFile&)            = delete;
    KeyFile& operator=(const KeyFile&) = delete;

    ~KeyFile() { std::filesystem::remove(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }

    [[nodiscard]] PrivateKey read() const {
        auto key = PrivateKey::read(path_);
        EXPECT_TRUE(key) << key.error();
        return std::move(*key);
    }

  private:
    std::string path_;
};

} // namespace vestibule::igvm::test
