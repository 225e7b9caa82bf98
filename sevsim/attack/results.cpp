// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/results.h"

#include "cli/json.h"
#include "igvm/format/hex.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cmath>

namespace vestibule::sevsim::attack {

namespace {

using cli::Json;

Json strings(const std::vector<std::string>& words) {
    Json list = Json::array();
    for (const std::string& word : words) {
        list.push_back(word);
    }
    return list;
}

/// To milliseconds: more says nothing, and shifts from run to run.
double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

Campaign campaign_of(const Json& line) {
    Campaign campaign;
    for (const Json& guest : line.at("guests")) {
        campaign.guests.push_back({guest.at("file"), guest.at("digest")});
    }
    campaign.options = line.at("options").get<std::vector<std::string>>();
    campaign.seed    = line.at("seed");
    campaign.kinds   = line.at("kinds").get<std::vector<std::string>>();
    campaign.most    = line.at("most");
    campaign.uniform = line.at("uniform");
    campaign.corpus  = line.at("corpus");
    campaign.plans   = line.at("plans");
    campaign.shard   = line.at("shard");
    campaign.shards  = line.at("shards");
    return campaign;
}

Verdict verdict_in(const Json& line) {
    const auto verdict = verdict_of(line.at("verdict").get<std::string>());
    if (!verdict) {
        throw std::runtime_error("no such verdict");
    }
    return *verdict;
}

RunLine run_of(const Json& line) {
    RunLine run{.number  = line.at("run"),
                .guest   = line.at("guest"),
                .plan    = line.at("plan").get<std::vector<std::string>>(),
                .verdict = verdict_in(line),
                .cause   = line.at("cause"),
                .end     = line.at("end"),
                .told    = line.at("told"),
                .seconds = line.at("seconds")};
    run.new_places = line.at("new_places").size();
    return run;
}

Finding finding_of(const Json& line) {
    return {.number   = line.at("finding"),
            .guest    = line.at("guest"),
            .verdict  = verdict_in(line),
            .cause    = line.at("cause"),
            .why      = line.at("why"),
            .plan     = line.at("plan").get<std::vector<std::string>>(),
            .drawn    = line.at("drawn").get<std::vector<std::string>>(),
            .file     = line.at("file"),
            .replay   = line.at("replay"),
            .replayed = line.at("replayed")};
}

void take_line(Results& results, const Json& line, bool is_first) {
    if (is_first) {
        if (line.at("schema") != "vestibule.attack/1") {
            throw std::runtime_error("another schema");
        }
        results.campaign = campaign_of(line);
    } else if (line.contains("run")) {
        for (const Json& place : line.at("new_places")) {
            results.places.insert(std::stoull(place.get<std::string>(), nullptr, 16));
        }
        RunLine run = run_of(line);
        results.runs.insert_or_assign(run.number, std::move(run));
    } else if (line.contains("finding")) {
        results.findings.push_back(finding_of(line));
    } else if (!line.contains("stop")) {
        throw std::runtime_error("no line of a campaign");
    }
}

} // namespace

std::string line_of(const Campaign& campaign) {
    Json line   = cli::json_output("attack");
    Json guests = Json::array();
    for (const Campaign::Guest& guest : campaign.guests) {
        guests.push_back({
            {"file",   guest.file  },
            {"digest", guest.digest}
        });
    }
    line["guests"]  = guests;
    line["options"] = strings(campaign.options);
    line["seed"]    = campaign.seed;
    line["kinds"]   = strings(campaign.kinds);
    line["most"]    = campaign.most;
    line["uniform"] = campaign.uniform;
    line["corpus"]  = campaign.corpus;
    line["plans"]   = campaign.plans;
    line["shard"]   = campaign.shard;
    line["shards"]  = campaign.shards;
    return cli::json_line(line);
}

std::string line_of(const RunLine& run, const PlaceSet& new_places) {
    Json places = Json::array();
    for (const u64 place : new_places) {
        places.push_back(fmt::format("{:#x}", place));
    }
    return cli::json_line({
        {"run",        run.number          },
        {"guest",      run.guest           },
        {"plan",       strings(run.plan)   },
        {"verdict",    name_of(run.verdict)},
        {"cause",      run.cause           },
        {"end",        run.end             },
        {"told",       run.told            },
        {"new_places", places              },
        {"seconds",    rounded(run.seconds)}
    });
}

std::string line_of(const Finding& finding) {
    return cli::json_line({
        {"finding",  finding.number          },
        {"guest",    finding.guest           },
        {"verdict",  name_of(finding.verdict)},
        {"cause",    finding.cause           },
        {"why",      finding.why             },
        {"plan",     strings(finding.plan)   },
        {"drawn",    strings(finding.drawn)  },
        {"file",     finding.file            },
        {"replay",   finding.replay          },
        {"replayed", finding.replayed        }
    });
}

std::string stop_line(std::string_view why, u64 runs, u64 findings, u64 places, double seconds) {
    return cli::json_line({
        {"stop",     why             },
        {"runs",     runs            },
        {"findings", findings        },
        {"places",   places          },
        {"seconds",  rounded(seconds)}
    });
}

std::expected<Results, std::string> results_of(std::string_view text) {
    Results results;
    unsigned number = 0;
    while (results.whole < text.size()) {
        const std::size_t end = text.find('\n', results.whole);
        if (end == std::string_view::npos) {
            break;
        }
        ++number;
        try {
            take_line(results, Json::parse(text.substr(results.whole, end - results.whole)),
                      number == 1);
        } catch (const std::exception&) {
            return std::unexpected(
                fmt::format("line {}: expected vestibule.attack/1 (docs/json.md)", number));
        }
        results.whole = end + 1;
    }
    if (number == 0) {
        return std::unexpected(std::string{"line 1: expected vestibule.attack/1, found nothing"});
    }
    return results;
}

std::string digest_of(std::string_view bytes) {
    std::array<u8, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
    return igvm::to_hex({digest.data(), size});
}

} // namespace vestibule::sevsim::attack
