//! What a program says. `println!` panics once nobody reads any more (`… | head`): a listing would end in a backtrace, and a
//! server with it. Here whoever has gone is not told, and the work goes on.

/// A line on standard output, if anybody reads it.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {{
        let _ = ::std::io::Write::write_fmt(&mut ::std::io::stdout(), format_args!("{}\n", format_args!($($words)*)));
    }};
}

/// A line on standard error, if anybody reads it.
#[macro_export]
macro_rules! complain {
    ($($words:tt)*) => {{
        let _ = ::std::io::Write::write_fmt(&mut ::std::io::stderr(), format_args!("{}\n", format_args!($($words)*)));
    }};
}
