// SPDX-License-Identifier: BSD-2-Clause-Patent
// See session.h.
#include "launcher/session.h"

#include "igvm/tool/file_io.h"
#include "launcher/interface.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace vestibule::launcher {

static std::vector<u8> read_base64(const std::string& path) {
    auto text = value_of(igvm::read_file(path));
    std::erase_if(text, [](u8 c) { return c <= ' '; });
    std::vector<u8> bytes(text.size());
    const int length = EVP_DecodeBlock(bytes.data(), text.data(), static_cast<int>(text.size()));
    const auto fill  = std::ranges::count(text, u8{'='});
    if (length < fill || length == 0 || fill > 2) {
        throw LaunchError(fmt::format("{}: found {} bytes, expected base64", path, text.size()));
    }
    bytes.resize(static_cast<u64>(length - fill));
    return bytes;
}

Session read_session(const std::string& prefix) {
    constexpr u64 certificate_size = 0x824; // SEV API specification, appendix C
    constexpr u64 blob_size        = 128;
    Session session{.certificate = read_base64(prefix + "_godh.b64"),
                    .blob        = read_base64(prefix + "_session.b64"),
                    .tik         = {}};
    const auto tik = value_of(igvm::read_file(prefix + "_tik.bin"));
    if (session.certificate.size() != certificate_size || session.blob.size() != blob_size
        || tik.size() != session.tik.size()) {
        throw LaunchError(fmt::format("{}_godh.b64, _session.b64, _tik.bin: found {}, {} and {} "
                                      "bytes, expected {}, {} and {}",
                                      prefix, session.certificate.size(), session.blob.size(),
                                      tik.size(), certificate_size, blob_size, session.tik.size()));
    }
    std::ranges::copy(tik, session.tik.begin());
    return session;
}

} // namespace vestibule::launcher
