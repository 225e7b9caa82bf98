// SPDX-License-Identifier: BSD-2-Clause-Patent
// See report_data.h.
#include "igvm/tool/report_data.h"

#include "igvm/measure/digest.h"
#include "igvm/tool/file_io.h"

#include <fmt/format.h>

#include <vector>

namespace vestibule::igvm {

namespace {
std::vector<u8> bytes_or_fail(const std::string& path) {
    auto bytes = read_file(path);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    if (bytes->empty()) {
        throw Failure(fmt::format("{}: found 0 bytes, expected some to be hashed", path));
    }
    return std::move(*bytes);
}

std::vector<u8> nonce_of(const std::string& text) {
    if (text.starts_with('@')) {
        return bytes_or_fail(text.substr(1));
    }
    auto bytes = from_hex(text);
    if (bytes.empty()) {
        throw CLI::ValidationError(
            "--attest", fmt::format("found {}, expected an even number of hexadecimal digits, or @ "
                                    "and a file's name",
                                    text));
    }
    return bytes;
}
} // namespace

void add_report_data_options(CLI::App& verb, ReportDataArguments& arguments,
                             const std::string& description) {
    auto* nonce = verb.add_option("--attest", arguments.nonce, description);
    nonce->type_name("HEX|@FILE");
    verb.add_option("--attest-key", arguments.key,
                    "A key that the payload is known by: hashed behind the nonce")
        ->needs(nonce)
        ->type_name(cli::input_file);
}

std::optional<std::array<u8, 64>> report_data_of(const ReportDataArguments& arguments) {
    if (arguments.nonce.empty()) {
        return std::nullopt;
    }
    std::vector<u8> bytes = nonce_of(arguments.nonce);
    if (!arguments.key.empty()) {
        const auto key = bytes_or_fail(arguments.key);
        bytes.insert(bytes.end(), key.begin(), key.end());
    }
    return sha512(bytes);
}

} // namespace vestibule::igvm
