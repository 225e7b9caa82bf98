// SPDX-License-Identifier: BSD-2-Clause-Patent
// What measure and explain are told alike: the file or firmware, the platform, the monitor and its
// vCPUs. Wrong use is CLI::ValidationError, work that fails is Failure.
#pragma once

#include "igvm/measure/firmware_launch.h"
#include "igvm/measure/igvm_launch.h"
#include "igvm/tool/file_io.h"
#include "igvm/tool/verbs.h"

#include <memory>

namespace vestibule::igvm {

struct LaunchArguments {
    std::string file;
    std::string firmware;
    std::string platform;
    std::string vmm;
    std::string vcpu_type = "EPYC-v4";
    std::string vcpus;
    std::optional<u64> sev_features;
    std::string kernel;
    std::string initrd;
    std::optional<std::string> append;
    std::string start_digest;
};

/// The file is the verb's positional argument unless that is something else.
void add_launch_options(CLI::App& verb, LaunchArguments& arguments,
                        const std::string& file_option = "file");

/// What is launched: an IGVM file, or a firmware volume with or without a kernel.
class Subject {
  public:
    /// Reads the files that the arguments name.
    explicit Subject(const LaunchArguments& arguments);
    Subject(const Subject&)            = delete; // what was parsed refers to what was read
    Subject& operator=(const Subject&) = delete;
    ~Subject()                         = default;

    [[nodiscard]] const std::string& path() const { return path_; }

    /// As the arguments say, for their monitor or their platform's usual one.
    [[nodiscard]] const LaunchOptions& options() const { return options_; }

    [[nodiscard]] bool is_firmware() const { return firmware_.has_value(); }

    [[nodiscard]] const std::optional<DirectBoot>& boot() const { return boot_; }

    /// Of what was measured before; zeros where nothing was.
    [[nodiscard]] const Digest384& start() const { return start_; }

    [[nodiscard]] const File* file() const { return file_ ? &*file_ : nullptr; }

    [[nodiscard]] std::span<const u8> bytes() const { return bytes_.bytes(); }

    [[nodiscard]] std::expected<Launch, std::string> launch(const LaunchOptions& options) const {
        return launch(options, boot_);
    }

    [[nodiscard]] std::expected<Launch, std::string>
    launch(const LaunchOptions& options, const std::optional<DirectBoot>& boot) const;

  private:
    void choose_platform(const std::string& name);

    std::string path_;
    MappedFile bytes_;
    std::optional<File> file_;
    std::optional<Firmware> firmware_;
    std::optional<DirectBoot> boot_;
    LaunchOptions options_;
    Digest384 start_{};
};

/// The secure processor's, "1.55.16".
struct ApiVersion {
    u8 major, minor, build;
};

ApiVersion api_version_of(const std::string& text);

/// The SHA-256 of a file, of any that a launch is made from.
Digest256 hash_of_file(const std::string& path);

/// "igvm, qemu, ...": the monitors that launch files, or firmware.
std::string monitor_names(bool firmware);

} // namespace vestibule::igvm
