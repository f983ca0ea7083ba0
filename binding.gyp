{
  # The build that users get. native/CMakeLists.txt, the developer's build, lists the same
  # sources (test/unit/layout.test.ts).
  "targets": [
    {
      "target_name": "ipvs",
      "sources": [
        "native/binding/addon.cc",
        "native/binding/aggregate_job.cc",
        "native/binding/conntrack_layout.cc",
        "native/binding/conntrack_session.cc",
        "native/binding/convert.cc",
        "native/binding/environment.cc",
        "native/binding/grace_period.cc",
        "native/binding/ipvs_session.cc",
        "native/binding/netlink_batch.cc",
        "native/binding/netlink_session.cc",
        "native/binding/throwaway_threads.cc",
        "native/conntrack/aggregate.cc",
        "native/conntrack/bucket_count.cc",
        "native/conntrack/client.cc",
        "native/conntrack/decode.cc",
        "native/conntrack/encode.cc",
        "native/conntrack/event_filter.cc",
        "native/conntrack/event_stream.cc",
        "native/conntrack/filter.cc",
        "native/conntrack/flow_dump.cc",
        "native/conntrack/flow_pipe.cc",
        "native/conntrack/flow_reader.cc",
        "native/conntrack/mirror.cc",
        "native/conntrack/raw_dump.cc",
        "native/ipvs/client.cc",
        "native/ipvs/connection_file.cc",
        "native/ipvs/decode.cc",
        "native/ipvs/encode.cc",
        "native/netlink/channel.cc",
        "native/netlink/generic_family.cc",
        "native/netlink/group_listener.cc",
        "native/netlink/io_pool.cc",
        "native/netlink/message_reader.cc",
        "native/netlink/message_writer.cc",
        "native/netlink/packet_socket.cc",
        "native/netlink/socket.cc",
        "native/netlink/strand.cc",
        "native/netlink/transaction.cc",
        "native/netns/named.cc",
        "native/netns/namespace.cc"
      ],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      # SWALLOW: a worker that is being terminated cannot take exceptions; without it they abort.
      "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags": ["-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-cast-function-type"],
      "cflags_cc": ["-std=c++20", "-fexceptions"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20"],
      "ldflags": [
        "-static-libstdc++",
        "-static-libgcc",
        "-Wl,--version-script=<(module_root_dir)/native/exports.map"
      ],
      "conditions": [["OS!='linux'", { "type": "none" }]]
    }
  ]
}
