//! What others call our columns: in lower case, without what is no letter or digit, the surest first.

const NAMES: [(&str, &str); 9] = [
    (
        "user",
        "user userid uid userkey username visitorid visitor customerid customer custid memberid member \
         accountid account clientid householdid householdkey household reviewerid personid buyerid \
         listenerid viewerid profileid author authorid deviceid",
    ),
    (
        "target",
        "target targetid item itemid iid productid product sku skuid movieid movie filmid asin parentasin \
         isbn bookid articleid article newsid contentid content trackid track songid artistid videoid \
         gameid appid goodsid offerid listingid recipeid courseid businessid placeid venueid poiid \
         hotelid stockcode postid",
    ),
    (
        "action",
        "action actiontype eventtype event eventname behavior behaviour behaviortype behaviourtype \
         interaction interactiontype activity activitytype type verb",
    ),
    (
        "at",
        "at timestamp ts eventtime eventtimestamp time datetime date createdat created occurredat unixtime \
         unixreviewtime unixtimestamp reviewtime reviewdate eventdate transactiondate invoicedate \
         clicktime timestampms",
    ),
    (
        "value",
        "value rating score stars star overall grade quantity qty price amount playcount plays weight \
         watchratio",
    ),
    ("target_kind", "targetkind itemkind itemtype contenttype"),
    ("session", "session sessionid usersession visitid basketid basket"),
    ("text", "text reviewtext review comment reviewbody body"),
    ("event_id", "eventid interactionid ratingid reviewid actionid logid recordid rowid uuid id"),
];

/// Columns that hold marks.
pub(super) const MARKS: &str = "rating score stars star overall grade";

/// Columns that only files of sales have.
pub(super) const BOUGHT: &str =
    "quantity qty price amount invoiceno invoicedate orderid transactiondate basketid";

/// What others call our column `ours`.
pub(super) fn names_of(ours: &str) -> impl Iterator<Item = &'static str> {
    let found = NAMES.iter().find(|(known, _)| *known == ours);
    found.map_or("", |(_, names)| names).split(' ')
}
