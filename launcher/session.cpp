// See session.h.
#include "launcher/session.h"

#include "igvm/file_io.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace vestibule::launcher {

static std::expected<std::vector<u8>, std::string> read_base64(const std::string& path) {
    auto text = igvm::read_file(path);
    if (!text) {
        return text;
    }
    std::erase_if(*text, [](u8 c) { return c <= ' '; });
    std::vector<u8> bytes(text->size());
    const int length = EVP_DecodeBlock(bytes.data(), text->data(), static_cast<int>(text->size()));
    const auto fill  = std::ranges::count(*text, u8{'='});
    if (length < fill || length == 0 || fill > 2) {
        return std::unexpected(
            fmt::format("{}: found {} bytes, expected base64", path, text->size()));
    }
    bytes.resize(static_cast<u64>(length - fill));
    return bytes;
}

std::expected<Session, std::string> read_session(const std::string& prefix) {
    constexpr u64 certificate_size = 0x824; // SEV API specification, appendix C
    constexpr u64 blob_size        = 128;
    const auto certificate         = read_base64(prefix + "_godh.b64");
    const auto blob                = read_base64(prefix + "_session.b64");
    const auto tik                 = igvm::read_file(prefix + "_tik.bin");
    for (const auto* part : {&certificate, &blob, &tik}) {
        if (!*part) {
            return std::unexpected(part->error());
        }
    }
    Session session{.certificate = *certificate, .blob = *blob, .tik = {}};
    if (certificate->size() != certificate_size || blob->size() != blob_size
        || tik->size() != session.tik.size()) {
        return std::unexpected(fmt::format("{}_godh.b64, _session.b64, _tik.bin: found {}, {} and "
                                           "{} bytes, expected {}, {} and {}",
                                           prefix, certificate->size(), blob->size(), tik->size(),
                                           certificate_size, blob_size, session.tik.size()));
    }
    std::ranges::copy(*tik, session.tik.begin());
    return session;
}

} // namespace vestibule::launcher
